package scoped_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoesNotCompile: a look at data without a scope is no program.
func TestDoesNotCompile(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"fine":    "",
		"without": "not enough arguments in call to l.Search",
		"forged":  "unexported field",
		"raw":     "l.log undefined",
	} {
		// The text is no Go file, or tools that look at all of them would stumble.
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
			filepath.Join(here, "testdata", name, name+".go"): filepath.Join(here, "testdata", name+".txt"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "overlay.json")
		if err := os.WriteFile(file, overlay, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("go", "build", "-overlay", file, "./testdata/"+name).CombinedOutput()
		if (err == nil) != (want == "") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %q in\n%s", name, err, want, out)
		}
	}
}
