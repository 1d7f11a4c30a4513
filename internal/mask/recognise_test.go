package mask_test

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/mask"
)

// The cases of the recognisers are in testdata/recognise: one text a line, what
// has to be found in it as ‹TYPE|value›. A line without marks is a hard
// negative: nothing may be found. \n and \t stand for themselves; "field: " at
// the beginning of a line behind a ! names the field the text stands in.
func TestRecognise(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/recognise/*.txt")
	if err != nil || len(names) < 8 {
		t.Fatalf("%d files of cases: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := compiled(t, &mask.Policy{Packs: packsOf(filepath.Base(name))})
			s := mask.NewScanner(p, strings.HasPrefix(filepath.Base(name), "reported"))
			positive, negative := 0, 0
			for _, line := range strings.Split(string(text), "\n") {
				if line == "" || strings.HasPrefix(line, "# ") {
					continue
				}
				plain, want := unmark(t, strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(line))
				if len(want) > 0 {
					positive++
				} else {
					negative++
				}
				if got := marks(s, plain); !cmp.Equal(got, want) {
					t.Errorf("%s\n got  %q\n want %q", line, got, want)
				}
			}
			if positive < 4 || negative < 4 {
				t.Errorf("%d positive and %d negative cases: both are needed", positive, negative)
			}
		})
	}
}

// packsOf: the cases of a national pack are in a file named after it.
func packsOf(file string) []string {
	if name, ok := strings.CutPrefix(file, "pack-"); ok {
		return []string{strings.TrimSuffix(name, ".txt")}
	}
	return nil
}

func compiled(t testing.TB, p *mask.Policy) *mask.Policy {
	t.Helper()
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

func unmark(t testing.TB, line string) (plain string, want []string) {
	for {
		before, rest, ok := strings.Cut(line, "‹")
		plain += before
		if !ok {
			return plain, want
		}
		inner, after, ok := strings.Cut(rest, "›")
		typ, value, ok2 := strings.Cut(inner, "|")
		if !ok || !ok2 {
			t.Fatalf("bad marks: %s", line)
		}
		plain += value
		want = append(want, typ+"|"+value)
		line = after
	}
}

func marks(s *mask.Scanner, text string) (got []string) {
	found, notes := s.Scan([]byte(text))
	for len(found) > 0 || len(notes) > 0 {
		var f mask.Finding
		if len(notes) == 0 || len(found) > 0 && found[0].Start <= notes[0].Start {
			f, found = found[0], found[1:]
		} else {
			f, notes = notes[0], notes[1:]
		}
		got = append(got, string(f.Type)+"|"+text[f.Start:f.End])
	}
	return got
}

// TestGitHubChecksum: a token with another checksum is masked, and told apart.
func TestGitHubChecksum(t *testing.T) {
	t.Parallel()
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := strings.Repeat("k3J9x", 6)
	sum := make([]byte, 6)
	for i, crc := 5, crc32.ChecksumIEEE([]byte(body)); i >= 0; i-- {
		sum[i] = base62[crc%62]
		crc /= 62
	}
	s := mask.NewScanner(compiled(t, mask.Strict()), false)
	for token, want := range map[string]mask.Confidence{"ghp_" + body + string(sum): mask.Validated, "ghp_" + body + "000000": mask.Guess} {
		if found, _ := s.Scan([]byte("with " + token + ":")); len(found) != 1 || found[0].Type != mask.Token || found[0].Confidence != want || found[0].End != 45 {
			t.Errorf("%s: %+v, want %v", token, found, want)
		}
	}
}
