package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realData returns a folder of real logs. They belong to others and are no
// part of this module, so without them there is nothing to test.
func realData(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real logs here: %v", err)
	}
	return dir
}

func TestRealCloudTrail(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(realData(t, "cloudtrail"), "*_CloudTrail_*.json"))
	if err != nil || len(files) != 55 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	ids, actions := map[string]bool{}, map[string]bool{}
	failures, withUser, withResource := 0, 0, 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range CloudTrail(f) {
			if err != nil || rec.Err != nil {
				t.Fatalf("%s: record %d: %v, %v", name, rec.Number, err, rec.Err)
			}
			var kept, was any
			unmarshal(t, rec.Event.Details, &kept)
			unmarshal(t, rec.Raw, &was)
			if rec.Stringified == 0 && !sameJSON(kept, was) {
				t.Errorf("%s: record %d: details differ", name, rec.Number)
			}
			ids[rec.Event.ID] = true
			actions[rec.Event.Action] = true
			failures += count(rec.Event.Outcome == "failure")
			withUser += count(rec.Event.UserID != "")
			withResource += count(rec.Event.ResourceID != "")
		}
		f.Close()
	}
	got := []int{len(ids), len(actions), failures, withUser}
	if want := []int{2900, 260, 300, 2824}; !slices.Equal(got, want) {
		t.Errorf("ids, actions, failures, users: got %v, want %v", got, want)
	}
	if withResource == 0 {
		t.Error("no record has a resource")
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func TestRealLegacy(t *testing.T) {
	t.Parallel()
	dir := realData(t, "legacy-audit-logs")
	var expected struct {
		Files map[string]struct {
			Records, Verified, Failed int
			FailedLines               []int64 `json:"failed_lines"`
			SHA256                    string
		}
		Objects struct {
			Prefix            string
			Records, Verified int
			Also              []string `json:"also_in_audit-2024-10-25.jsonl"`
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "EXPECTED.json"))
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, text, &expected)

	ids := map[string]string{} // of all files, with the hash the record carries
	for name, want := range expected.Files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Fatalf("%s is not the file it should be", name)
		}
		verified, stringified := 0, 0
		var failed []int64
		for rec, err := range Legacy(strings.NewReader(string(data)), false) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Err != nil {
				failed = append(failed, rec.Number)
				if !strings.Contains(rec.Err.Error(), "audit_hash does not match") {
					t.Errorf("%s: record %d: %v", name, rec.Number, rec.Err)
				}
				continue
			}
			verified++
			stringified += rec.Stringified
			ids[rec.Event.ID] = legacyHashOf(t, rec.Event.Details)
		}
		if verified != want.Verified || !slices.Equal(failed, want.FailedLines) {
			t.Errorf("%s: %d verified, %v failed; want %d, %v", name, verified, failed, want.Verified, want.FailedLines)
		}
		t.Logf("%s: %d numbers became strings", name, stringified)
		kept := 0
		for rec, err := range Legacy(strings.NewReader(string(data)), true) {
			if err != nil || rec.Err != nil {
				t.Fatal(rec.Number, err, rec.Err)
			}
			if marked := strings.Contains(string(rec.Event.Details), `"legacy_audit_hash_verified":false`); marked != slices.Contains(want.FailedLines, rec.Number) || marked != rec.Unverified {
				t.Errorf("%s: record %d: marked %v, unverified %v", name, rec.Number, marked, rec.Unverified)
			}
			kept++
		}
		if kept != want.Records {
			t.Errorf("%s: %d kept, want %d", name, kept, want.Records)
		}
	}

	before := len(ids)
	objects, again := 0, []string(nil)
	err = filepath.WalkDir(filepath.Join(dir, expected.Objects.Prefix), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for rec, err := range Legacy(strings.NewReader(string(data)), false) {
			if err != nil || rec.Err != nil {
				t.Errorf("%s: %v, %v", path, err, rec.Err)
				continue
			}
			objects++
			if hash, seen := ids[rec.Event.ID]; seen {
				again = append(again, hash)
			}
			ids[rec.Event.ID] = legacyHashOf(t, rec.Event.Details)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(again)
	if objects != expected.Objects.Verified || !slices.Equal(again, expected.Objects.Also) || len(ids) != before+objects-len(again) {
		t.Errorf("%d objects verified, %v seen before, %d new; want %d, %v", objects, again, len(ids)-before, expected.Objects.Verified, expected.Objects.Also)
	}
}

func legacyHashOf(t *testing.T, details []byte) string {
	t.Helper()
	var d struct {
		Hash string `json:"legacy_audit_hash"`
	}
	unmarshal(t, details, &d)
	if len(d.Hash) != 64 {
		t.Errorf("legacy_audit_hash is %q", d.Hash)
	}
	return d.Hash
}
