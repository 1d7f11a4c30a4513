package disk_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"indelible/internal/disk"
)

// TestLargeFiles writes files of sizes around blocks and around where writing
// goes another way, from memory that begins where blocks do and where not.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	random := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	dirs := []string{t.TempDir()}
	if memory, err := os.MkdirTemp("/dev/shm", "large-"); err == nil { // another file system
		t.Cleanup(func() { os.RemoveAll(memory) })
		dirs = append(dirs, memory)
	}
	for _, dir := range dirs {
		for _, size := range []int{0, 1, 4096, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 1<<20 + 4095, 8<<20 + 12345} {
			for _, offset := range []int{0, 1, 512} {
				name := filepath.Join(dir, fmt.Sprintf("%d-%d", size, offset))
				want := random[offset : offset+size]
				if err := disk.CreateFile(disk.OS, name, want); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes at offset %d came back as others", dir, size, offset)
				}
			}
		}
	}
}

// TestAppendInPieces appends to one file in turn what goes past the page cache
// and what does not.
func TestAppendInPieces(t *testing.T) {
	t.Parallel()
	random := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{2}).Read(random)
	name := filepath.Join(t.TempDir(), "pieces")
	f, err := disk.OS.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []byte
	for _, size := range []int{1 << 20, 1 << 20, 2 << 20, 0, 1<<20 + 100, 1 << 20, 7, 3 << 20, 4096 - 107, 1 << 20} {
		want = append(want, random[:size]...)
		if err := disk.WriteAll(f, random[:size]); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("after %d bytes more: %d bytes that are not those written", size, len(got))
		}
	}
}
