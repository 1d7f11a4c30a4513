package mask_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/mask"
	"indelible/internal/mask/masktest"
)

// TestCutAnywhere: a text may end at any place.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txt")
	more, err2 := filepath.Glob("testdata/recognise/*.txt")
	if names = append(names, more...); err != nil || err2 != nil || len(names) < 12 {
		t.Fatalf("%d files: %v %v", len(names), err, err2)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := mask.NewScanner(compiled(t, mask.Strict()), true)
			for line := range strings.Lines(string(text)) {
				plain := []byte(masktest.Marked(strings.TrimSuffix(line, "\n")).Text)
				for end := range plain {
					s.Scan(plain[:end:end])
				}
			}
		})
	}
}
