package disk

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// OpenFileError: a file that holds a secret can be read by others than its owner.
type OpenFileError struct {
	Path string
	Mode fs.FileMode
}

func (e *OpenFileError) Error() string {
	return fmt.Sprintf("%s can be read by others (mode %04o); run: chmod 600 %s", e.Path, e.Mode, e.Path)
}

// CheckPrivate refuses a file that others can read, where file modes say so. A
// file that is not there is an error of os.Stat.
func CheckPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return &OpenFileError{path, mode}
	}
	return nil
}
