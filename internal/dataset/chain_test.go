package dataset_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"indelible/internal/dataset"
	"indelible/internal/runs"
)

func chain(j *dataset.Job) { all(j); j.Chain = "nightly" }

func (f *fixture) open() *dataset.Opened {
	f.Helper()
	o, err := dataset.Open(f.Context(), f.place(), "", f.check("").Reader)
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// latest is the last revision of each id.
func (f *fixture) latest() map[string]string {
	f.Helper()
	rows := map[string]string{}
	err := f.open().Latest(f.Context(), func(id, line []byte) error {
		if rows[string(id)] != "" {
			return fmt.Errorf("%s stands twice", id)
		}
		rows[string(id)] = string(line)
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return rows
}

func TestChain(t *testing.T) {
	t.Parallel()
	for _, form := range []func(*dataset.Job){func(*dataset.Job) {}, zstd, parquetFiles} {
		f := newFixture(t, 1000)
		f.table.revision = true
		link := func(j *dataset.Job) { chain(j); form(j) }
		f.export(link)
		for i := 1000; i < 1500; i++ {
			f.table.rows = append(f.table.rows, rowOf(i))
		}
		changed := rowOf(7)
		changed.run.Status, changed.run.Revision = []byte("failed"), 99_999
		f.table.rows = append(f.table.rows, changed)
		r := f.export(link)
		if d := r.Manifest.Dataset; d.Rows != 501 || d.Chain.Sequence != 2 || d.Chain.Previous == nil || string(d.Chain.From) == "" {
			t.Fatalf("%+v", d)
		}
		if r := f.export(link); r.Manifest.Dataset.Rows != 0 || r.Manifest.Dataset.Chain.Sequence != 3 {
			t.Errorf("nothing is new: %+v", r.Manifest.Dataset)
		}
		if r := f.verify("", dataset.ResultOK); r.Links != 3 || r.Rows != 1501 {
			t.Errorf("%+v", r)
		}
		rows := f.latest()
		if len(rows) != 1500 || !strings.Contains(rows[`"run-000007"`], `"status":"failed"`) || !strings.HasSuffix(rows[`"run-000007"`], "\"_revision\":\"99999\"}\n") {
			t.Errorf("%d rows, %s", len(rows), rows[`"run-000007"`])
		}
	}
}

func TestChainRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	f.export(chain)
	f.fails(dataset.ErrOtherSpec, chain, zstd)
	f.fails(dataset.ErrOtherSpec, chain, func(j *dataset.Job) { j.Chain = "other" })
	f.fails(dataset.ErrOtherSpec, chain, func(j *dataset.Job) { j.Query.Statuses = []string{"failed"} })
	f.fails(dataset.ErrExist, all)
	f.table.extra = true
	f.fails(dataset.ErrSchema, chain)
	f.export(chain, func(j *dataset.Job) { j.AcceptSchema = true })
	f.verify("", dataset.ResultOK)

	// A link that is changed, dropped or put elsewhere shows, and stops the chain.
	f.export(chain)
	whole := f.read("manifests/00000002.json")
	path := filepath.Join(f.dir, "manifests", "00000002.json")
	if err := os.WriteFile(path, f.read("manifests/00000001.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.verify("", dataset.ResultTampered)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.verify("", dataset.ResultTampered)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	f.verify("", dataset.ResultOK)
	newest := filepath.Join(f.dir, "manifests", "00000003.json")
	if err := os.WriteFile(newest, bytes.Replace(f.read("manifests/00000003.json"), []byte(`"rows": 0`), []byte(`"rows": 1`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(dataset.ErrDamaged, chain)
}

// TestChainRepeats: where rows are read again, unchanged ones are dropped.
func TestChainRepeats(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 300)
	f.table.repeats = true
	f.export(chain)
	f.table.rows = append(f.table.rows, rowOf(300))
	f.table.rows[5].run.ErrorMessage = []byte("came later")
	d := f.export(chain).Manifest.Dataset
	if d.Rows != 2 || d.Chain.Repeats != 299 {
		t.Errorf("%d rows, %d left out", d.Rows, d.Chain.Repeats)
	}
	if d := f.export(chain).Manifest.Dataset; d.Rows != 0 || d.Chain.Repeats != 301 {
		t.Errorf("%d rows, %d left out", d.Rows, d.Chain.Repeats)
	}
	f.verify("", dataset.ResultOK)
	if rows := f.latest(); len(rows) != 301 || !strings.Contains(rows[`"run-000005"`], "came later") {
		t.Errorf("%d rows: %s", len(rows), rows[`"run-000005"`])
	}
}

// TestChainResumes: a link that did not end is made again over the same range.
func TestChainResumes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 300)
	f.export(chain)
	for i := 300; i < 900; i++ {
		f.table.rows = append(f.table.rows, rowOf(i))
	}
	f.table.failAt = 500
	f.fails(errLost, chain)
	f.table.failAt = 0
	if r := f.export(chain); r.Attempt != 2 || r.Manifest.Dataset.Rows != 600 {
		t.Errorf("%+v", r.Manifest.Dataset)
	}
	if q := f.table.opened[len(f.table.opened)-1]; string(q.Plan) != `{"shards":7}` || string(q.Range.From) != `{"Next":"300"}` {
		t.Errorf("read %s from %s", q.Plan, q.Range.From)
	}
	f.verify("", dataset.ResultOK)
}

// TestTwoAtOnce: of two exports of one chain one loses, and the chain is whole.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2000)
	f.export(chain)
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			job := f.job(chain)
			job.Notify = nil
			_, err := dataset.Export(t.Context(), job)
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil && !errors.Is(err, dataset.ErrBusy) && !errors.Is(err, dataset.ErrExist) {
			t.Error(err)
		}
	}
	f.verify("", dataset.ResultOK)
}

func TestDiffAndPurge(t *testing.T) {
	t.Parallel()
	one, two := newFixture(t, 400), newFixture(t, 400)
	one.export(all)
	two.table.rows = append(two.table.rows[1:], rowOf(400), rowOf(401))
	two.table.rows[3].run.Status = []byte("cancelled")
	two.export(all, parquetFiles)
	d, err := dataset.Diff(t.Context(), one.open(), two.open())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"added": {`"run-000400"`, `"run-000401"`}, "removed": {`"run-000000"`}, "changed": {`"run-000004"`}}
	if d.Same != 398 || d.Changed != 1 || d.Added != 2 || d.Removed != 1 || d.Equal() || !maps.EqualFunc(d.Examples, want, slices.Equal) {
		t.Errorf("%+v", d)
	}
	again := newFixture(t, 400)
	again.export(all, zstd)
	if d, err = dataset.Diff(t.Context(), one.open(), again.open()); err != nil || !d.Equal() || d.Same != 400 {
		t.Errorf("%+v %v", d, err)
	}
	// Writers that died: after the last file had its name, and before the first.
	for _, left := range []string{".evidence.json.unfinished-00", ".plan.json.unfinished-01"} {
		if err := os.WriteFile(filepath.Join(one.dir, left), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.open().Purge(t.Context(), one.book, one.job()); err != nil {
		t.Fatal(err)
	}
	if left := one.files(); len(left) != 0 || one.book.count("dataset.purged") != 1 {
		t.Errorf("left: %v", left)
	}
	two.book.fail = "dataset.purged"
	if err := two.open().Purge(t.Context(), two.book, two.job()); !errors.Is(err, errBook) {
		t.Errorf("%v", err)
	}
	two.verify("", dataset.ResultOK)
	link := newFixture(t, 10)
	link.export(chain)
	left := filepath.Join(link.dir, ".plan.json.unfinished-02")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link.table.rows = append(link.table.rows, row{runs.Run{ID: []byte("x"), TenantID: []byte("acme")}, "acme"})
	link.export(chain)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the next export leaves what one that died left: %v", err)
	}
	if err := link.open().Purge(t.Context(), link.book, link.job()); err != nil {
		t.Fatal(err)
	}
	if left := link.files(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
