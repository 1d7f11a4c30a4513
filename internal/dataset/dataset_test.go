package dataset_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"indelible/internal/dataset"
	"indelible/internal/runs"
)

func (f *fixture) read(name string) []byte {
	f.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// files are the names of all that lies there.
func (f *fixture) files() (names []string) {
	f.Helper()
	err := filepath.WalkDir(f.dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			short, _ := filepath.Rel(f.dir, name)
			names = append(names, short)
			if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
				f.Errorf("%s has mode %v", short, info.Mode())
			}
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return names
}

func TestLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	f.table.revision, f.table.extra = true, true
	f.export(file("runs.jsonl"))
	lines := strings.SplitAfter(string(f.read("runs.jsonl")), "\n")
	want := []string{
		`{"id":"run-000000","tenant_id":"acme","workflow_name":"nightly \"load\"","workflow_version":"1.4.0","status":"completed",` +
			`"started_at":"2024-10-01T08:30:00Z","completed_at":"2024-10-01T08:31:30Z","duration_ms":90000,"steps_completed":5,"steps_total":5,` +
			`"error_message":null,"metadata":{"cpu":0,"note":"täglich"},"created_at":"2024-10-01T08:29:59Z","region":0,"_revision":"700",` +
			`"_export_timestamp":"2024-10-02T08:30:00Z","_export_version":1}` + "\n",
		`{"id":"run-000003","tenant_id":"acme","workflow_name":"nightly \"load\"","workflow_version":"1.4.0","status":"completed",` +
			`"started_at":"2024-10-01T08:30:03.703701Z","completed_at":"2024-10-01T08:31:33.703701Z","duration_ms":90000,"steps_completed":5,"steps_total":5,` +
			`"error_message":null,"metadata":{"cpu":3,"note":"täglich"},"created_at":"2024-10-01T08:30:02.703701Z","region":3,"_revision":"703",` +
			`"_export_timestamp":"2024-10-02T08:30:00Z","_export_version":1}` + "\n",
		`{"id":"run-000006","tenant_id":"acme","workflow_name":"nightly \"load\"","workflow_version":"1.4.0","status":"failed",` +
			`"started_at":"2024-10-01T08:30:07.407402Z","completed_at":"2024-10-01T08:31:37.407402Z","duration_ms":90000,"steps_completed":5,"steps_total":5,` +
			`"error_message":"line one\nline two\t\u0001 \\ end","metadata":{"cpu":6,"note":"täglich"},"created_at":"2024-10-01T08:30:06.407402Z","region":6,"_revision":"706",` +
			`"_export_timestamp":"2024-10-02T08:30:00Z","_export_version":1}` + "\n",
	}
	for i, w := range want {
		if lines[i] != w {
			t.Errorf("line %d:\n%swant\n%s", i, lines[i], w)
		}
	}
	if len(lines) != 5 || lines[4] != "" {
		t.Errorf("%d lines", len(lines))
	}
	if r := f.verify("runs.jsonl", dataset.ResultOK); r.Rows != 4 || r.Recorded != "ledger and evidence" {
		t.Errorf("%+v", r)
	}
	if got, want := f.files(), []string{"runs.jsonl", "runs.jsonl.evidence.json", "runs.jsonl.manifest.json"}; !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

// TestJobsChangeNothing: the bytes do not depend on how many read, and the
// content's digest does not depend on when.
func TestJobsChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 20_000)
	var first []byte
	var digest any
	for _, jobs := range []int{1, 2, 7, 12} {
		r := f.export(file("runs.jsonl"), all, func(j *dataset.Job) { j.Query.Jobs, j.Overwrite = jobs, true })
		b := f.read("runs.jsonl")
		if first == nil {
			first, digest = b, r.Manifest.Dataset.ContentDigest
			if n := bytes.Count(b, []byte("\n")); n != 20_000 {
				t.Fatalf("%d lines", n)
			}
		}
		if !bytes.Equal(b, first) || digest != r.Manifest.Dataset.ContentDigest {
			t.Errorf("with %d jobs the file is another one", jobs)
		}
	}
	r := f.export(all, func(j *dataset.Job) { j.Place = dataset.Place(f.place()); j.Query.Jobs = 2 })
	if r.Manifest.Dataset.ContentDigest != digest {
		t.Error("the same rows in a folder have another digest")
	}
	f.verify("", dataset.ResultOK)
}

func TestFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3000)
	f.table.rows[0].run.CreatedAt = runs.Time{}
	two := func(j *dataset.Job) { j.Query.Tenants = []string{"acme", "globex"} }
	r := f.export(two)
	d := r.Manifest.Dataset
	if len(d.Files) != 2 || d.Rows != 2000 || d.Tenants[0].Rows != 1000 || d.Tenants[1].ContentDigest == nil || d.Files[1].TenantID != "globex" {
		t.Fatalf("%+v", d)
	}
	for i, tenant := range []string{"acme", "globex"} {
		if b := f.read(d.Files[i].Path); bytes.Count(b, []byte(`"tenant_id":"`+tenant+`"`)) != 1000 || bytes.Count(b, []byte("\n")) != 1000 {
			t.Errorf("%s holds other rows", d.Files[i].Path)
		}
	}
	f.verify("", dataset.ResultOK)
	if f.book.count("dataset.exported") != 3 || f.book.count("dataset.export.started") != 3 {
		t.Errorf("recorded: %v", f.book.events)
	}
	for _, e := range f.book.events {
		var details struct{ Rows int }
		if e.EventType == "dataset.exported" && e.TenantID == "acme" {
			if err := json.Unmarshal(e.Details, &details); err != nil || details.Rows != 1000 || strings.Contains(string(e.Details), "globex") {
				t.Errorf("a tenant is told %s", e.Details)
			}
		}
	}
	f.fails(dataset.ErrExist, two)
	again := f.export(two, func(j *dataset.Job) { j.Overwrite = true })
	f.verify("", dataset.ResultOK)
	if n := len(f.files()); n != 2+3+3 {
		t.Errorf("%d files: %v", n, f.files())
	}
	if again.Manifest.Dataset.ContentDigest != d.ContentDigest || again.Manifest.Version == r.Manifest.Version {
		t.Error("unchanged rows do not compare equal")
	}
	empty := newFixture(t, 0)
	empty.export()
	empty.verify("", dataset.ResultOK)
}

// TestAnyByte: whatever is changed shows.
func TestAnyByte(t *testing.T) {
	t.Parallel()
	for _, one := range []bool{true, false} {
		f := newFixture(t, 60)
		name := ""
		if one {
			name = "runs.jsonl"
		}
		f.export(file(name))
		f.verify(name, dataset.ResultOK)
		for _, victim := range f.files() {
			whole := f.read(victim)
			step := max(1, len(whole)/40)
			for at := 0; at < len(whole); at += step {
				for _, changed := range [][]byte{flip(whole, at), slices.Delete(bytes.Clone(whole), at, at+1), slices.Insert(bytes.Clone(whole), at, ' ')} {
					if err := os.WriteFile(filepath.Join(f.dir, victim), changed, 0o600); err != nil {
						t.Fatal(err)
					}
					r, err := dataset.Verify(t.Context(), f.check(name))
					if err != nil || r.Result != dataset.ResultTampered {
						t.Errorf("%s, byte %d: %v %+v", victim, at, err, r)
					}
				}
			}
			if err := os.Remove(filepath.Join(f.dir, victim)); err != nil {
				t.Fatal(err)
			}
			r, err := dataset.Verify(t.Context(), f.check(name))
			if err == nil && r.Result == dataset.ResultOK && !strings.HasSuffix(victim, "evidence.json") {
				t.Errorf("nobody misses %s", victim)
			}
			if err := os.WriteFile(filepath.Join(f.dir, victim), whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f.verify(name, dataset.ResultOK)
		if !one {
			if err := os.WriteFile(filepath.Join(f.dir, "runs", "more.jsonl"), []byte("{}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			f.verify(name, dataset.ResultTampered)
		}
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1
	return c
}

// TestFailures: after each failure nothing is visible, and the next run makes
// the dataset whole, under the same name where rows had been read.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "runs.jsonl"} {
		f := newFixture(t, 2000)
		f.table.failAt = 1500
		f.fails(errLost, file(name))
		if got := f.files(); len(got) != 1 || !strings.HasSuffix(got[0], "plan.json") {
			t.Errorf("left behind: %v", got)
		}
		f.table.failAt = 0
		r := f.export(file(name))
		if r.Attempt != 2 || r.Manifest.Dataset.RunID == "" {
			t.Errorf("attempt %d", r.Attempt)
		}
		f.verify(name, dataset.ResultOK)

		f = newFixture(t, 2000)
		f.book.fail = "dataset.export.started"
		f.fails(errBook, file(name))
		if got := f.files(); len(got) != 0 {
			t.Errorf("nothing could be recorded, and there is %v", got)
		}

		// The files are there and cannot be recorded: the next run heals it.
		f.book.fail = "dataset.exported"
		f.fails(errBook, file(name))
		f.book.fail = ""
		if r := f.export(file(name)); !r.Healed {
			t.Error("made again")
		}
		f.verify(name, dataset.ResultOK)
		f.fails(dataset.ErrExist, file(name))

		// Whoever interrupts wants nothing left.
		f = newFixture(t, 2000)
		ctx, cancel := context.WithCancel(t.Context())
		job := f.job(file(name))
		n := 0
		job.Masker = func([]runs.Column) (dataset.Masker, error) {
			return maskFunc(func(*runs.Run) error {
				if n++; n == 300 {
					cancel()
				}
				return nil
			}), nil
		}
		job.Query.Jobs = 1
		if _, err := dataset.Export(ctx, job); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if got := f.files(); len(got) != 0 {
			t.Errorf("an interrupted export leaves %v", got)
		}
	}
}

type maskFunc func(*runs.Run) error

func (m maskFunc) MaskRun(r *runs.Run) error { return m(r) }

func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	chain := func(j *dataset.Job) { j.Chain = "nightly" }
	for what, change := range map[string]func(*dataset.Job){
		"several tenants": func(j *dataset.Job) { j.File, j.Query.Tenants = "a.jsonl", []string{"a", "b"} },
		"chain in a file": func(j *dataset.Job) { chain(j); j.File = "a.jsonl" },
		"chain and limit": func(j *dataset.Job) { chain(j); j.Query.Limit = runs.Int{N: 3, Valid: true} },
		"name":            func(j *dataset.Job) { j.Chain = "../a" },
		"file":            func(j *dataset.Job) { j.File = "../a" },
	} {
		if _, err := dataset.Export(t.Context(), f.job(change)); !errors.Is(err, dataset.ErrUsage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "mine.jsonl"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(dataset.ErrExist, file("mine.jsonl"))
	bad := rowOf(1)
	bad.run.ErrorMessage = []byte("\xff")
	f.table.rows[4] = bad
	if _, err := dataset.Export(t.Context(), f.job(all, file("b.jsonl"))); err == nil || !strings.Contains(err.Error(), `row "run-000001": column error_message`) {
		t.Errorf("%v", err)
	}
}
