package storetest

import (
	"context"
	"iter"
	"sync"
	"time"

	"indelible/internal/store"
)

// Op names an operation of a store.
type Op string

// The operations; AnyOp stands for all of them in a Fault or a count.
const (
	AnyOp    Op = ""
	Create   Op = "create"
	Replace  Op = "replace"
	Read     Op = "read"
	List     Op = "list"
	Versions Op = "versions"
	Remove   Op = "remove"
)

// Mode is what becomes of an operation that a Fault hits.
type Mode int

const (
	// Refuse fails without doing anything.
	Refuse Mode = iota
	// LoseReply does it and then fails, as when a connection breaks before
	// the answer. A list gives its names first.
	LoseReply
	// Late fails at once, and a write is done by the next Release, as when a
	// network delivers it after the writer has given up.
	Late
	// Pass does it as usual: for a Fault that only waits or lets others act.
	Pass
)

// Fault says which operations go wrong, and how.
type Fault struct {
	Op    Op
	Name  string // exact, or a prefix with '*' at its end; empty for all
	Skip  int    // so many matching operations pass unharmed first
	Times int    // then so many are hit; 0 for all

	Mode   Mode
	Err    error             // what the caller gets; ErrUnavailable if nil
	Before func(name string) // runs first, outside all locks: a third party acts here
	Delay  time.Duration     // then this passes
	Wait   <-chan struct{}   // then this must close; both end with the context
}

// Call is one operation that was asked for.
type Call struct {
	Op      Op
	Name    string
	Bytes   int
	Reached bool // it got as far as the store
}

// Faulty is a store that fails on demand. It is safe for concurrent use.
type Faulty struct {
	inner store.Store

	mu       sync.Mutex
	faults   []*Fault
	down     bool
	late     []func() error
	calls    []*Call
	inFlight map[Op]int
	most     map[Op]int
	ahead    *time.Duration
}

var (
	_ store.Store   = (*Faulty)(nil)
	_ store.Clocked = (*Faulty)(nil)
)

// NewFaulty returns inner without faults.
func NewFaulty(inner store.Store) *Faulty {
	return &Faulty{inner: inner, inFlight: make(map[Op]int), most: make(map[Op]int)}
}

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, name string, data []byte, until time.Time) error {
	return f.do(ctx, Create, name, data, func(ctx context.Context, data []byte) error { return f.inner.Create(ctx, name, data, until) })
}

// Replace implements store.Store.
func (f *Faulty) Replace(ctx context.Context, name string, data []byte, etag string) error {
	return f.do(ctx, Replace, name, data, func(ctx context.Context, data []byte) error { return f.inner.Replace(ctx, name, data, etag) })
}

// Remove implements store.Store.
func (f *Faulty) Remove(ctx context.Context, name string) error {
	return f.do(ctx, Remove, name, nil, func(ctx context.Context, _ []byte) error { return f.inner.Remove(ctx, name) })
}

// Read implements store.Store.
func (f *Faulty) Read(ctx context.Context, name string, opt store.ReadOptions) (obj store.Object, err error) {
	err = f.do(ctx, Read, name, nil, func(ctx context.Context, _ []byte) error {
		obj, err = f.inner.Read(ctx, name, opt)
		return err
	})
	if err != nil {
		return store.Object{}, err
	}
	return obj, nil
}

// Versions implements store.Store.
func (f *Faulty) Versions(ctx context.Context, name string) (v []store.Version, err error) {
	err = f.do(ctx, Versions, name, nil, func(ctx context.Context, _ []byte) error {
		v, err = f.inner.Versions(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// List implements store.Store. A Fault's Name is compared with the prefix.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stopped := false
		err := f.do(ctx, List, prefix, nil, func(ctx context.Context, _ []byte) error {
			for name, err := range f.inner.List(ctx, prefix, after) {
				if err != nil {
					return err
				}
				if !yield(name, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield("", err)
		}
	}
}
