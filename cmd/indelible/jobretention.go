package main

import (
	"context"
	"errors"

	"indelible/internal/govern"
	"indelible/internal/jobs"
)

// runRetention lets go of what is over, as `retention run` does. A policy that
// shortens something waits for people, and is left to them.
func (a *app) runRetention(ctx context.Context, t *jobs.Turn) (_ any, err error) {
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	g, err := own.openGoverned(ctx)
	if err != nil {
		return nil, err
	}
	return own.retain(ctx, g, func(sum *govern.Retained) error {
		t.Progress(int64(sum.Keys+sum.Removed), 0)
		return t.Hold(ctx)
	})
}
