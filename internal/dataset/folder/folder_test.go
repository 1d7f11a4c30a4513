package folder

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"indelible/internal/disk"
)

// TestPieces writes files smaller and larger than pieces, in writes of all sizes.
func TestPieces(t *testing.T) {
	t.Parallel()
	data := make([]byte, 3*pieceSize+77)
	rand.NewChaCha8([32]byte{1}).Read(data)
	f := New(t.TempDir())
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, len(data)} {
		for _, step := range []int{1000, 300_000, pieceSize, len(data)} {
			w, err := f.Create(t.Context(), "runs", true)
			if err != nil {
				t.Fatal(err)
			}
			for rest := data[:size]; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			r, err := f.Open(t.Context(), "runs")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || !bytes.Equal(got, data[:size]) {
				t.Fatalf("%d bytes in writes of %d: %d other bytes, error %v", size, step, len(got), err)
			}
		}
	}
}

// full has room for one piece.
type full struct{ disk.FS }

type fullFile struct {
	disk.File
	written int
}

var errFull = errors.New("full")

func (f full) Create(name string) (disk.File, error) {
	file, err := f.FS.Create(name)
	return &fullFile{File: file}, err
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.written += len(p); f.written > pieceSize {
		return 0, errFull
	}
	return f.File.Write(p)
}

// TestFailedPiece: a piece that could not be written, beside what went on, fails
// the file, however its writer goes on.
func TestFailedPiece(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := On(full{disk.OS}, dir).Create(t.Context(), "runs", false)
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	for range 4 {
		if _, err := w.Write(make([]byte, pieceSize)); err != nil && failed == nil {
			failed = err
		}
	}
	if !errors.Is(failed, errFull) {
		t.Errorf("writing went on: %v", failed)
	}
	if err := w.Commit(t.Context()); !errors.Is(err, errFull) {
		t.Errorf("the file was placed: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
