package rules

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the module, from here.
const root = "../.."

// notOurs are folders and files that are built or written by a run; .gitignore
// names them too.
var notOurs = []string{".git", ".bin", "demo", "reports", "indelible-data", "indelible"}

// walk calls each with every file of the repository, by its path below the root.
func walk(t *testing.T, each func(name string, e fs.DirEntry)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains(notOurs, name):
			return fs.SkipDir
		case e.Type().IsRegular() && !slices.Contains(notOurs, name):
			each(name, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const maxLines = 1000

func TestFilesFitInASitting(t *testing.T) {
	n := 0
	walk(t, func(name string, _ fs.DirEntry) {
		if path.Base(name) == "go.sum" || strings.Contains(name, "testdata/") {
			return
		}
		n++
		if lines := bytes.Count(read(t, name), []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: it has more than one subject", name, lines, maxLines)
		}
	})
	if n < 100 {
		t.Errorf("saw %d files", n)
	}
}

// Names that say nothing about what is inside.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "pkg", "misc"}

func TestNamesSayWhatIsInside(t *testing.T) {
	for _, name := range goFiles(t) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if slices.Contains(emptyNames, path.Base(dir)) {
				t.Errorf("%s: a folder called %s", name, path.Base(dir))
			}
		}
		if base := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test"); slices.Contains(emptyNames, base) {
			t.Errorf("%s: a file called %s", name, base)
		}
	}
}

// unsaid are things of the machine a file was written on: they mean nothing
// elsewhere. They are put together here so that this file does not hold them.
var unsaid = []string{
	"/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/tm" + "p/go-build", "/Us" + "ers/", `C:\` + `Users`,
	"proxy.go" + "lang.org", "sum.go" + "lang.org", "go" + "proxy.", "registry.npm" + "js", "pypi" + ".org", "artifact" + "ory",
}

func TestNothingOfThisMachine(t *testing.T) {
	n := 0
	walk(t, func(name string, _ fs.DirEntry) {
		text := read(t, name)
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return
		}
		n++
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range unsaid {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d says %s", name, i+1, word)
				}
			}
		}
	})
	if n < 100 {
		t.Errorf("saw %d files", n)
	}
}
