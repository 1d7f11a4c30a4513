package ledger

import (
	"context"
	"errors"

	"indelible/internal/store"
)

// originals is a store as it was before anything was put on top of its
// objects: of each the oldest version is read. Only the checkpoint is replaced
// by us; of it the newest version counts.
type originals struct{ store.Store }

func (o originals) Read(ctx context.Context, name string, opt store.ReadOptions) (store.Object, error) {
	if opt.Version != "" || name == checkpointName {
		return o.Store.Read(ctx, name, opt)
	}
	versions, err := o.Store.Versions(ctx, name)
	if err != nil {
		return store.Object{}, err
	}
	for _, v := range versions {
		if !v.DeleteMarker {
			opt.Version = v.ID
			break
		}
	}
	return o.Store.Read(ctx, name, opt)
}

// beneath reads something that is checked while it is read, and if what was
// found is not right once more from the original objects: whoever may write to
// a bucket can hide them, and that must stop neither writer nor reader.
func beneath[T any](st store.Store, read func(store.Store) (T, error)) (T, error) {
	v, err := read(st)
	if _, already := st.(originals); already || !isTampering(err) && !newer(err) {
		return v, err
	}
	if original, oerr := read(originals{st}); oerr == nil {
		return original, nil
	}
	return v, err
}

func isTampering(err error) bool {
	var bad *TamperError
	return errors.As(err, &bad)
}
