package govern

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"indelible/internal/disk"
)

// readList reads a list that is kept as JSON in a file of at most limit bytes;
// no file is an empty list.
func readList[T any](path string, limit int64) ([]T, error) {
	b, err := disk.ReadFile(disk.OS, path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []T
	if err := decodeStrict(b, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return list, nil
}

// writeList puts a list in the place of the one in a file.
func writeList[T any](path string, list []T) error {
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, path, append(b, '\n'))
}
