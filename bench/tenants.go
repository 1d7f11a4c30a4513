package main

import (
	"context"
	"fmt"
	"time"
)

// benchTenants compares the same events spread over 10,000 tenants and in one.
func benchTenants(ctx context.Context, e *env) error {
	var pairs []pair
	for round := range 5 {
		one, err := ledgerAppend(ctx, e, 1024, 2*time.Second, 1, fmt.Sprintf("one-%d", round))
		if err != nil {
			return err
		}
		many, err := ledgerAppend(ctx, e, 1024, 2*time.Second, 10_000, fmt.Sprintf("many-%d", round))
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{many, one})
	}
	m := median(pairs)
	row(fmt.Sprintf("10,000 tenants against one: %.0f/s against %.0f/s", m.ours, m.limit), fmt.Sprintf("%.2f", m.ratio()), "0.95", "0.9")
	return nil
}
