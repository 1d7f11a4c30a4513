package storetest

import (
	"context"
	"errors"
	"time"

	"indelible/internal/store"
)

// Inject adds a fault. Where several match, the oldest hits. The fault is
// copied; calling the returned function ends it.
func (f *Faulty) Inject(fault Fault) (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := &fault
	f.faults = append(f.faults, x)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.faults {
			if f.faults[i] == x {
				f.faults = append(f.faults[:i:i], f.faults[i+1:]...)
				return
			}
		}
	}
}

// SetDown switches the store off: everything fails with ErrUnavailable until it
// is switched on again.
func (f *Faulty) SetDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Release does the writes that were held back, in their order, whatever else is
// wrong, and returns what the store said to each.
func (f *Faulty) Release() []error {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	answers := make([]error, 0, len(late))
	for _, write := range late {
		answers = append(answers, write())
	}
	return answers
}

// Held is the number of writes held back.
func (f *Faulty) Held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.late)
}

// Calls returns every operation asked for so far, in order.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := make([]Call, 0, len(f.calls))
	for _, c := range f.calls {
		calls = append(calls, *c)
	}
	return calls
}

// Count returns how many operations of a kind and name, as in a Fault, reached
// the store. A late write counts from its release.
func (f *Faulty) Count(op Op, name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c.Reached && (op == AnyOp || op == c.Op) && matchName(name, c.Name) {
			n++
		}
	}
	return n
}

// MostInFlight is the largest number of operations of one kind at one time.
func (f *Faulty) MostInFlight(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most[op]
}

// Forget clears calls and counts.
func (f *Faulty) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
	clear(f.most)
}

// ThirdParty puts an object as somebody else with access would, over what is
// there, past all faults and counts: a new version on top where there are
// versions, a changed file where there are none.
func (f *Faulty) ThirdParty(ctx context.Context, name string, data []byte) error {
	obj, err := f.inner.Read(ctx, name, store.ReadOptions{})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	return f.inner.Replace(ctx, name, data, obj.ETag)
}

// Inner is the store without faults.
func (f *Faulty) Inner() store.Store { return f.inner }

// SetSkew makes the store's clock run ahead of ours.
func (f *Faulty) SetSkew(ahead time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ahead = &ahead
}

// Skew implements store.Clocked: what was set, else what the store says.
func (f *Faulty) Skew() (time.Duration, bool) {
	f.mu.Lock()
	ahead := f.ahead
	f.mu.Unlock()
	if ahead != nil {
		return *ahead, true
	}
	if c, ok := f.inner.(store.Clocked); ok {
		return c.Skew()
	}
	return 0, false
}
