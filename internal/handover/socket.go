package handover

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxSocketPath is what every system takes as the address of a socket.
const maxSocketPath = 100

// withSocket calls f with a path to the directory's socket that is short
// enough for a socket address: a long one is reached through a link in the
// temporary directory.
func withSocket(dir string, f func(path string) error) error {
	path := socketPath(dir)
	if len(path) <= maxSocketPath {
		return f(path)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "ind")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	link := filepath.Join(tmp, "d")
	if err := os.Symlink(absolute, link); err != nil {
		return fmt.Errorf("reach %s: %w", path, err)
	}
	return f(socketPath(link))
}
