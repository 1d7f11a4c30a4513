package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"indelible/internal/store"
)

// List implements store.Store. It holds the entries of one directory of each
// depth in memory, and reads no directory that has no name to give.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		w := walk{s: s, ctx: ctx, prefix: prefix, after: after, yield: yield}
		// Everything that begins with prefix lies below its last slash.
		top := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if top != "" && store.CheckName(strings.TrimSuffix(top, "/")) != nil {
			return
		}
		if top != "" {
			if ok, err := s.isDir(strings.TrimSuffix(top, "/")); err != nil || !ok {
				if err != nil {
					yield("", fmt.Errorf("list %q: %w", prefix, err))
				}
				return
			}
		}
		w.dir(top)
	}
}

type walk struct {
	s             *Store
	ctx           context.Context
	prefix, after string
	yield         func(string, error) bool
}

// dir yields what lies below a directory, given as "" or with a slash at its
// end, and reports whether to go on.
func (w *walk) dir(dir string) bool {
	if err := context.Cause(w.ctx); err != nil {
		w.yield("", fmt.Errorf("list %q: %w", w.prefix, err))
		return false
	}
	entries, err := w.s.fsys.List(w.s.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return true // no store yet, or removed since its parent was read
	}
	if err != nil {
		w.yield("", fmt.Errorf("list %q: %w", w.prefix, classify(err)))
		return false
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		if !w.entry(dir+e.Name(), e) {
			return false
		}
	}
	return true
}

func (w *walk) entry(name string, e fs.DirEntry) bool {
	switch {
	case temporary(e.Name()), store.CheckName(name) != nil:
		return true
	case e.IsDir():
		below := name + "/"
		if !strings.HasPrefix(below, w.prefix) && !strings.HasPrefix(w.prefix, below) {
			return true
		}
		if below < w.after && !strings.HasPrefix(w.after, below) {
			return true // all that lies below sorts before after, too
		}
		return w.dir(below)
	case !e.Type().IsRegular(), !strings.HasPrefix(name, w.prefix), name <= w.after:
		return true
	}
	if err := context.Cause(w.ctx); err != nil {
		w.yield("", fmt.Errorf("list %q: %w", w.prefix, err))
		return false
	}
	return w.yield(name, nil)
}

// sortKey places a directory where the names below it belong: "a-b" and "a.b"
// come before "a/b", though after the directory's own name "a".
func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
