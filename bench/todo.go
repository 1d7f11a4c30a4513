package main
import "context"
func benchTessera(ctx context.Context, e *env) error {return nil}
func benchRoad(ctx context.Context, e *env) error {return nil}
func benchVerify(ctx context.Context, e *env) error {return nil}
func benchFsck(ctx context.Context, e *env) error {return nil}
func benchPuts(ctx context.Context, e *env) error {return nil}
func benchOpen(ctx context.Context, e *env) error {return nil}
func benchTenants(ctx context.Context, e *env) error {return nil}
