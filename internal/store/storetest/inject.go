package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"indelible/internal/store"
)

// do runs one operation under the faults.
func (f *Faulty) do(ctx context.Context, op Op, name string, data []byte, run func(context.Context, []byte) error) error {
	call, fault, down := f.admit(op, name, len(data))
	defer f.leave(op)
	if down {
		return fmt.Errorf("%s %s: %w: switched off", op, name, store.ErrUnavailable)
	}
	if fault == nil {
		f.reach(call)
		return run(ctx, data)
	}
	if err := fault.hold(ctx, name); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	failure := fault.Err
	if failure == nil {
		failure = store.ErrUnavailable
	}
	failure = fmt.Errorf("%s %s: %w: injected", op, name, failure)
	switch fault.Mode {
	case Late:
		if op == Create || op == Replace || op == Remove {
			data, ctx := bytes.Clone(data), context.WithoutCancel(ctx)
			f.postpone(func() error { f.reach(call); return run(ctx, data) })
		}
		return failure
	case LoseReply:
		f.reach(call)
		// What was decided stays decided: a writer that lost the reply to a
		// refusal has not written.
		if err := run(ctx, data); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return failure
	case Pass:
		f.reach(call)
		return run(ctx, data)
	}
	return failure
}

func (x *Fault) hold(ctx context.Context, name string) error {
	if x.Before != nil {
		x.Before(name)
	}
	if x.Delay > 0 {
		timer := time.NewTimer(x.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if x.Wait != nil {
		select {
		case <-x.Wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (x *Fault) matches(op Op, name string) bool {
	return (x.Op == AnyOp || x.Op == op) && matchName(x.Name, name)
}

func matchName(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == "" || pattern == name
}

// admit notes the call and finds the first fault that hits it.
func (f *Faulty) admit(op Op, name string, size int) (*Call, *Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := &Call{Op: op, Name: name, Bytes: size}
	f.calls = append(f.calls, call)
	f.inFlight[op]++
	f.most[op] = max(f.most[op], f.inFlight[op])
	if f.down {
		return call, nil, true
	}
	for i, x := range f.faults {
		if !x.matches(op, name) {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		if x.Times == 1 {
			f.faults = slices.Delete(f.faults, i, i+1)
		}
		x.Times--
		return call, x, false
	}
	return call, nil, false
}

func (f *Faulty) leave(op Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight[op]--
}

func (f *Faulty) reach(call *Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call.Reached = true
}

func (f *Faulty) postpone(write func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, write)
}
