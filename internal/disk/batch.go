package disk

import (
	"path/filepath"
	"sync"
)

// A bulkSyncer makes everything written below a directory durable in one go.
type bulkSyncer interface {
	SyncAll(dir string) error
}

// batchConcurrency is how many files are under way at once: each call waits
// for the file system's own journal now and then, so several share a wait.
const batchConcurrency = 8

// CreateFiles creates many files in directories that exist, each as CreateFile
// does, and syncs once for all where the system can. When it returns without
// an error for a name, that file and its name are durable.
func CreateFiles(fsys FS, names []string, data [][]byte) []error {
	errs := make([]error, len(names))
	temps := make([]string, len(names))
	bulk, haveBulk := fsys.(bulkSyncer)
	each(len(names), func(i int) {
		temps[i] = filepath.Join(filepath.Dir(names[i]), tempName())
		errs[i] = fill(fsys, temps[i], data[i], !haveBulk)
	})
	if haveBulk && len(names) > 0 {
		if err := bulk.SyncAll(filepath.Dir(names[0])); err != nil {
			return failAll(fsys, temps, errs, err)
		}
	}
	each(len(names), func(i int) {
		if errs[i] == nil {
			errs[i] = fsys.Link(temps[i], names[i])
		}
		fsys.Remove(temps[i])
	})
	dirs := make(map[string]error)
	for _, name := range names {
		dir := filepath.Dir(name)
		if _, done := dirs[dir]; !done {
			dirs[dir] = fsys.SyncDir(dir)
		}
	}
	for i, name := range names {
		if errs[i] == nil {
			errs[i] = dirs[filepath.Dir(name)]
		}
	}
	return errs
}

func fill(fsys FS, name string, data []byte, sync bool) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func failAll(fsys FS, temps []string, errs []error, err error) []error {
	for i, tmp := range temps {
		fsys.Remove(tmp)
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

// each calls f for 0 … n−1, several at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, batchConcurrency) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
