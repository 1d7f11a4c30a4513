package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"indelible/internal/store"
)

// batchCreator is a store that makes many objects durable at less cost than
// one by one.
type batchCreator interface {
	CreateAll(ctx context.Context, names []string, data [][]byte, until time.Time) []error
}

const createConcurrency = 8

// createAll writes objects whose content follows from the log. One that is
// there already must be the same; foreign content under its name is replaced,
// since it can only have been put there by somebody else.
func createAll(ctx context.Context, st store.Store, objects []object, until time.Time) error {
	errs := make([]error, len(objects))
	if b, ok := st.(batchCreator); ok && len(objects) > 1 {
		names, data := make([]string, len(objects)), make([][]byte, len(objects))
		for i, o := range objects {
			names[i], data[i] = o.name, o.content()
		}
		errs = b.CreateAll(ctx, names, data, until)
	} else {
		var wg sync.WaitGroup
		limit := make(chan struct{}, createConcurrency)
		for i, o := range objects {
			limit <- struct{}{}
			wg.Go(func() {
				errs[i] = st.Create(ctx, o.name, o.content(), until)
				<-limit
			})
		}
		wg.Wait()
	}
	for i, err := range errs {
		if errors.Is(err, store.ErrExist) {
			err = sameOrReplace(ctx, st, objects[i])
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", objects[i].name, err)
		}
	}
	return nil
}

func sameOrReplace(ctx context.Context, st store.Store, o object) error {
	there, err := st.Read(ctx, o.name, store.ReadOptions{})
	if err != nil {
		return err
	}
	if o.is(there.Data) {
		return nil
	}
	return st.Replace(ctx, o.name, o.content(), there.ETag)
}

// removeSuperseded deletes the partial tiles whose full tile has just been
// published, as C2SP tlog-tiles allows. What cannot be deleted stays: it is harmless.
func (p *publisher) removeSuperseded(ctx context.Context, l *Ledger, full []object) {
	for _, o := range full {
		prefix := o.name + ".p/"
		if _, was := p.partials[prefix]; !was {
			continue
		}
		// What somebody put there before us comes up again when ours is removed.
		for round, any := 0, true; any && round < 5; round++ {
			any = false
			for name, err := range l.cfg.Store.List(ctx, prefix, prefix) {
				if err == nil {
					err = l.cfg.Store.Remove(ctx, name)
				}
				if err != nil {
					l.cfg.Log.Debug("a superseded partial tile stays", "object", name, "err", err)
					break
				}
				any = true
			}
		}
		delete(p.partials, prefix)
	}
}
