package s3test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// module is the gateway these tests were written against. Earlier versions let
// two conditional writes of one name succeed.
const module = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

var installing sync.Mutex

// program returns the path of the gateway in the module's .bin directory and
// installs it there if it is missing.
func program(ctx context.Context) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(root, ".bin")
	path := filepath.Join(bin, "versitygw")
	installing.Lock()
	defer installing.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	// Other test processes may install at the same time. Each does so beside
	// the target and moves the whole program over it.
	tmp, err := os.MkdirTemp(bin, "install-")
	if err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+tmp, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", module, err, out)
	}
	if err := os.Rename(filepath.Join(tmp, "versitygw"), path); err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	return path, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod at or above the working directory")
		}
		dir = parent
	}
}
