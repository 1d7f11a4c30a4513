package sha256lanes

import (
	"os"
	"syscall"
	"testing"
)

// Behind the messages lies memory that nobody may read.
func TestNothingBehindIsRead(t *testing.T) {
	page := os.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	source(6).Read(mem[:page])
	if err := syscall.Mprotect(mem[page:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		var m [][]byte
		for i := range lanes {
			m = append(m, mem[page-n-i%3:page])
		}
		check(t, m)
	}
}
