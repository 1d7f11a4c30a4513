package dir

import (
	"context"
	"fmt"
	"time"

	"indelible/internal/store"
)

// Sweep removes unfinished files last written before the given time and says
// how many. They are what a crash leaves of a write; they mean nothing but take
// room. It is for the holder of the writer's lock.
func (s *Store) Sweep(ctx context.Context, before time.Time) (int, error) {
	return s.sweep(ctx, "", before)
}

func (s *Store) sweep(ctx context.Context, dir string, before time.Time) (int, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, fmt.Errorf("sweep %q: %w", dir, err)
	}
	entries, err := s.fsys.List(s.path(dir))
	if err != nil {
		if err = missing(err); err == store.ErrNotExist {
			return 0, nil
		}
		return 0, fmt.Errorf("sweep %q: %w", dir, err)
	}
	removed := 0
	for _, e := range entries {
		switch {
		case e.IsDir():
			n, err := s.sweep(ctx, dir+e.Name()+"/", before)
			removed += n
			if err != nil {
				return removed, err
			}
		case temporary(e.Name()) && e.Type().IsRegular():
			info, err := e.Info()
			if err != nil || !info.ModTime().Before(before) {
				continue // finished or still being written
			}
			if err := s.fsys.Remove(s.path(dir + e.Name())); err != nil && missing(err) != store.ErrNotExist {
				return removed, fmt.Errorf("sweep %q: %w", dir, classify(err))
			}
			removed++
		}
	}
	return removed, nil
}
