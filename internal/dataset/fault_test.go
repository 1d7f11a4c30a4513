package dataset_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"indelible/internal/dataset"
	"indelible/internal/dataset/bucket"
	"indelible/internal/dataset/folder"
	"indelible/internal/disk/disktest"
	"indelible/internal/runs"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

// fullPlace is a place whose disk is full after some bytes.
type fullPlace struct {
	dataset.Place
	left int
}

func (p *fullPlace) Create(ctx context.Context, name string, replace bool) (dataset.File, error) {
	f, err := p.Place.Create(ctx, name, replace)
	return &fullFile{f, p}, err
}

type fullFile struct {
	dataset.File
	p *fullPlace
}

func (f *fullFile) Write(b []byte) (int, error) {
	if f.p.left -= len(b); f.p.left < 0 {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(b)
}

// TestDiskFull: wherever the disk is full, nothing of the dataset is visible,
// and with room it is made.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "runs.jsonl"} {
		for _, form := range []func(*dataset.Job){all, zstd, parquetFiles} {
			f := newFixture(t, 1500)
			failed := 0
			for left := 0; ; left = left*2 + 200 {
				job := f.job(all, form, file(name))
				job.Place = &fullPlace{f.place(), left}
				_, err := dataset.Export(t.Context(), job)
				if err == nil {
					break
				}
				failed++
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
				for _, left := range f.files() {
					// The manifest may stand, and be recorded by the next run.
					if !strings.HasSuffix(left, "plan.json") && !strings.Contains(left, "manifest.json") && len(f.files()) < 3 {
						t.Errorf("left behind: %v", f.files())
					}
				}
			}
			if failed < 4 {
				t.Errorf("the disk was full %d times", failed)
			}
			f.verify(name, dataset.ResultOK)
		}
	}
}

// TestStoreAway: a store that goes away in the middle is an error that says so;
// when it is back the export goes on under the same name and time.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(server.NewBucket(t, false))
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, 60_000)
	job := f.job(all)
	job.Place, job.Query.Jobs = bucket.New(s), 1
	n := 0
	job.Masker = func([]runs.Column) (dataset.Masker, error) {
		return maskFunc(func(*runs.Run) error {
			if n++; n == 40_000 {
				server.Stop()
			}
			return nil
		}), nil
	}
	if _, err := dataset.Export(t.Context(), job); !errors.Is(err, dataset.ErrAway) {
		t.Fatalf("%v", err)
	}
	server.Start()
	job = f.job(all)
	job.Place = bucket.New(s)
	r, err := dataset.Export(t.Context(), job)
	if err != nil || r.Attempt != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	check := f.check("")
	check.Place = bucket.New(s)
	if v, err := dataset.Verify(t.Context(), check); err != nil || v.Result != dataset.ResultOK || v.Rows != 60_000 {
		t.Errorf("%v %+v", err, v)
	}
}

// TestPowerLoss takes the power away at each sync. Afterwards the dataset is
// either whole or not there, and the same export makes it whole.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "runs.jsonl"} {
		for cut := 1; ; cut++ {
			f := newFixture(t, 300)
			mem := disktest.New()
			power := errors.New("no power")
			mem.OnSync(func(n int, _ string) error {
				if n >= cut {
					return power
				}
				return nil
			})
			job := f.job(all, file(name))
			job.Place = folder.On(mem, f.dir)
			_, err := dataset.Export(t.Context(), job)
			after := folder.On(mem.Crash(rand.New(rand.NewPCG(uint64(cut), 1))), f.dir)
			check := f.check(name)
			check.Place = after
			if r, verr := dataset.Verify(t.Context(), check); verr == nil && r.Result == dataset.ResultTampered && name == "" {
				t.Fatalf("cut %d: visible, and not whole: %+v", cut, r)
			} else if err == nil && (verr != nil || r.Result != dataset.ResultOK) {
				t.Fatalf("cut %d: said to be done, and is not: %v %+v", cut, verr, r)
			}
			if err == nil {
				if cut < 5 {
					t.Errorf("only %d syncs", cut)
				}
				break
			}
			job = f.job(all, file(name))
			job.Place = after
			if _, err := dataset.Export(t.Context(), job); err != nil && !errors.Is(err, dataset.ErrExist) {
				t.Fatalf("cut %d: %v", cut, err)
			}
			if r, err := dataset.Verify(t.Context(), check); err != nil || r.Result != dataset.ResultOK {
				t.Fatalf("cut %d: %v %+v", cut, err, r)
			}
		}
	}
}

// TestOurs: whoever asks again for what was made, after the answer was lost,
// gets it, and makes nothing more. The record is made if it was not.
func TestOurs(t *testing.T) {
	t.Parallel()
	for _, chain := range []string{"", "daily"} {
		f := newFixture(t, 50)
		job := func(j *dataset.Job) {
			all(j)
			j.Chain, j.NewID = chain, func() string { return "6a8b2f04-0000-4000-8000-000000000001" }
			j.Ours = func(id string) bool { return id == j.NewID() }
		}
		f.book.fail = "dataset.exported"
		f.fails(errBook, job)
		f.book.fail = ""
		made, err := dataset.Export(t.Context(), f.job(job))
		if err != nil || !made.Healed {
			t.Fatal(made, err)
		}
		n := f.book.count("dataset.exported")
		again, err := dataset.Export(t.Context(), f.job(job))
		if err != nil || !again.Healed || again.Manifest.Version != made.Manifest.Version {
			t.Fatalf("asked again: %+v, %v", again, err)
		}
		if got := f.book.count("dataset.exported"); got != n {
			t.Errorf("%d records, want %d", got, n)
		}
		f.verify("", "ok")
	}
}
