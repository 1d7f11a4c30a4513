package journal

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
)

// The large one in front is not overtaken by small ones that would fit.
func TestFlightKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		f := flight{limit: 10}
		var order []int64
		acquire := func(n int64) {
			go func() {
				mu.Lock()
				defer mu.Unlock()
				if err := f.acquire(t.Context(), &mu, n); err != nil {
					t.Error(err)
				}
				order = append(order, n)
			}()
			synctest.Wait()
		}
		release := func(n int64) {
			mu.Lock()
			f.release(n)
			mu.Unlock()
			synctest.Wait()
		}
		acquire(8)
		acquire(5)
		acquire(1)
		acquire(20)
		if len(order) != 1 {
			t.Errorf("beside 8 of 10: %v", order)
		}
		release(8)
		if len(order) != 3 {
			t.Errorf("room for 5 and 1: %v", order)
		}
		release(6)
		if len(order) != 4 || f.used != 20 {
			t.Errorf("larger than the limit, alone: %v", order)
		}
		release(20)
		if f.used != 0 {
			t.Errorf("%d used", f.used)
		}
	})
}

// Room that is given at the moment its caller gives up is not lost.
func TestFlightGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		f := flight{limit: 1}
		mu.Lock()
		if err := f.acquire(t.Context(), &mu, 1); err != nil {
			t.Fatal(err)
		}
		mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			mu.Lock()
			defer mu.Unlock()
			if f.acquire(ctx, &mu, 1) == nil {
				f.release(1)
			}
		}()
		synctest.Wait()
		mu.Lock()
		cancel()
		f.release(1)
		mu.Unlock()
		synctest.Wait()
		if f.used != 0 || len(f.waiting) != 0 {
			t.Fatalf("%d used, %d waiting", f.used, len(f.waiting))
		}
	})
}
