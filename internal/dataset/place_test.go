package dataset_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"indelible/internal/dataset"
	"indelible/internal/dataset/bucket"
	"indelible/internal/dataset/folder"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

func newBucket(t *testing.T, server *s3test.Server) dataset.Place {
	t.Helper()
	s, err := s3.Open(t.Context(), server.Config(server.NewBucket(t, false)))
	if err != nil {
		t.Fatal(err)
	}
	return bucket.New(s)
}

// TestPlaces: what every place promises.
func TestPlaces(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for name, open := range map[string]func(*testing.T) dataset.Place{
		"folder": func(t *testing.T) dataset.Place { return folder.New(t.TempDir() + "/new/data") },
		"bucket": func(t *testing.T) dataset.Place { return newBucket(t, server) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place{t, open(t)}
			p.absent("a.json")
			p.list("", nil)
			p.write("a.json", []byte("one"), false, nil)
			p.write("a.json", []byte("two"), false, dataset.ErrExist)
			p.read("a.json", []byte("one"))
			p.write("a.json", []byte("three"), true, nil)
			p.read("a.json", []byte("three"))
			large := bytes.Repeat([]byte("0123456789abcdef"), 20<<16)
			p.write("runs/1/part", large, false, nil)
			p.read("runs/1/part", large)
			p.readParts("runs/1/part", large)
			p.write("runs/10/part", nil, false, nil)
			p.read("runs/10/part", nil)
			p.list("", []string{"a.json", "runs/1/part", "runs/10/part"})
			p.list("runs/1", []string{"runs/1/part", "runs/10/part"})
			p.list("runs/1/", []string{"runs/1/part"})

			// What is given up, or not finished, is not there.
			f, err := p.Create(t.Context(), "runs/1/given-up", false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(large); err != nil {
				t.Fatal(err)
			}
			p.absent("runs/1/given-up")
			f.Abort()
			f.Abort()
			p.absent("runs/1/given-up")
			killed, err := p.Create(t.Context(), "runs/1/killed", false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := killed.Write(large); err != nil {
				t.Fatal(err)
			}
			if err := p.Sweep(t.Context(), "runs/10"); err != nil {
				t.Fatal(err)
			}
			if err := p.Sweep(t.Context(), "runs"); err != nil {
				t.Fatal(err)
			}
			if err := killed.Commit(t.Context()); err == nil {
				t.Error("what was swept away appeared")
			}
			p.list("", []string{"a.json", "runs/1/part", "runs/10/part"})

			for range 2 {
				if err := p.Remove(t.Context(), "runs/1/part"); err != nil {
					t.Fatal(err)
				}
			}
			p.absent("runs/1/part")
			p.list("", []string{"a.json", "runs/10/part"})
			for _, bad := range []string{"", "..", "../b", "a//b", "/a", "a/.", "a\nb"} {
				if f, err := p.Create(t.Context(), bad, false); err == nil {
					f.Abort()
					t.Errorf("%q was taken", bad)
				}
				if r, err := p.Open(t.Context(), bad); err == nil {
					r.Close()
					t.Errorf("%q was opened", bad)
				}
			}
		})
	}
}

// readParts reads a file here and there, as who asks for ranges of it does.
func (p place) readParts(name string, want []byte) {
	p.Helper()
	r, err := p.Open(p.Context(), name)
	if err != nil {
		p.Fatal(err)
	}
	defer r.Close()
	s, ok := r.(io.ReadSeeker)
	if !ok {
		p.Fatal("a file cannot be read in parts")
	}
	if n, err := s.Seek(0, io.SeekEnd); err != nil || n != int64(len(want)) {
		p.Errorf("it ends at %d, %v", n, err)
	}
	b := make([]byte, 1000)
	for _, at := range []int{0, 5 << 20, 5<<20 + 3, 100, len(want) - 1000, 1} {
		if _, err := s.Seek(int64(at), io.SeekStart); err != nil {
			p.Fatal(err)
		}
		if _, err := io.ReadFull(s, b); err != nil || !bytes.Equal(b, want[at:at+len(b)]) {
			p.Errorf("at %d: %q, %v", at, b[:20], err)
		}
		if n, err := s.Seek(0, io.SeekCurrent); err != nil || n != int64(at+len(b)) {
			p.Errorf("it stands at %d, %v", n, err)
		}
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		p.Error("there is a byte before the first")
	}
}

// TestLock: of two exports into a folder one waits for the other to be gone.
func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := folder.New(dir).Lock("dataset")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.New(dir).Lock("dataset"); !errors.Is(err, dataset.ErrBusy) {
		t.Errorf("%v", err)
	}
	release()
	release, err = folder.New(dir).Lock("dataset")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

type place struct {
	*testing.T
	dataset.Place
}

func (p place) write(name string, data []byte, replace bool, want error) {
	p.Helper()
	f, err := p.Create(p.Context(), name, replace)
	if err != nil {
		p.Fatal(err)
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		p.Fatal(err)
	}
	if err := f.Commit(p.Context()); !errors.Is(err, want) {
		p.Fatalf("%s: %v, want %v", name, err, want)
	}
}

func (p place) read(name string, want []byte) {
	p.Helper()
	r, err := p.Open(p.Context(), name)
	if err != nil {
		p.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		p.Fatalf("%s: %d bytes, want %d: %v", name, len(got), len(want), err)
	}
}

func (p place) absent(name string) {
	p.Helper()
	r, err := p.Open(p.Context(), name)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, dataset.ErrNotExist) {
		p.Errorf("%s: %v", name, err)
	}
}

func (p place) list(prefix string, want []string) {
	p.Helper()
	got, err := p.List(p.Context(), prefix)
	if err != nil || !slices.Equal(got, want) {
		p.Errorf("below %q: %v, want %v: %v", prefix, got, want, err)
	}
}
