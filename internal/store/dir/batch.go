package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"indelible/internal/disk"
	"indelible/internal/store"
)

// CreateAll creates many objects as Create does, each with a result of its
// own, and makes them durable together.
func (s *Store) CreateAll(ctx context.Context, names []string, data [][]byte, _ time.Time) []error {
	errs := make([]error, len(names))
	var paths []string
	var contents [][]byte
	var at []int // where the result of each path belongs
	for i, name := range names {
		err := begin(ctx, name, data[i])
		if err == nil {
			if err = s.prepare(name); err != nil {
				err = classify(err)
			}
		}
		if err != nil {
			errs[i] = fmt.Errorf("create %s: %w", name, err)
			continue
		}
		paths, contents, at = append(paths, s.path(name)), append(contents, data[i]), append(at, i)
	}
	for k, err := range disk.CreateFiles(s.fsys, paths, contents) {
		i := at[k]
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrExist):
			errs[i] = fmt.Errorf("create %s: %w", names[i], store.ErrExist)
		default:
			if errors.Is(err, fs.ErrNotExist) {
				s.forget()
			}
			errs[i] = fmt.Errorf("create %s: %w", names[i], classify(err))
		}
	}
	return errs
}
