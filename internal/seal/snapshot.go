package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MaxSnapshot bounds the key stores that can be backed up: two million keys.
const MaxSnapshot = 384 << 20

// Snapshot returns a whole key store as the bytes of a SQLite file, as of now;
// another process may be writing it. Keys in it are wrapped.
func Snapshot(ctx context.Context, path string) ([]byte, error) {
	db, err := openDB(ctx, path, true)
	if err != nil {
		return nil, fmt.Errorf("open the key store %s: %w", path, err)
	}
	defer db.Close()
	dir, err := os.MkdirTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "copy")
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, copied); err != nil {
		return nil, fmt.Errorf("copy the key store: %w", err)
	}
	if info, err := os.Stat(copied); err != nil {
		return nil, err
	} else if info.Size() > MaxSnapshot {
		return nil, errors.New("the key store is too large for a backup of this kind; copy its file while nothing writes")
	}
	return os.ReadFile(copied)
}
