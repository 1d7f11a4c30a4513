package store

import (
	"errors"
	"strings"
	"testing"

	"indelible/internal/disk"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	good := []string{
		"a", "checkpoint", "wal/00000000000000000042", "tile/0/x001/234.p/5", "a-b/c_d/e.f", "...", "a..b", ".a",
		strings.Repeat("x", MaxElement), strings.Repeat("x/", 255) + "xx",
	}
	for _, name := range good {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/..", "a/./b", "../a", "a b", "a\x00", "a\nb", "ä", `a\b`, "a:b", "a%2e",
		strings.Repeat("x", MaxElement+1), strings.Repeat("x/", 256) + "x",
		disk.TempPrefix + "1", "a/" + disk.TempPrefix,
	}
	for _, name := range bad {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("CheckName(%q) = %v, want ErrName", name, err)
		}
	}
}

func TestCheckRange(t *testing.T) {
	t.Parallel()
	for _, opt := range []ReadOptions{{Offset: -1}, {Length: -1}, {Offset: 1<<63 - 1, Length: 1}} {
		if CheckRange("a", opt) == nil {
			t.Errorf("CheckRange(%+v) = nil", opt)
		}
	}
	if err := CheckRange("a", ReadOptions{Offset: 5, Length: 7}); err != nil {
		t.Error(err)
	}
}
