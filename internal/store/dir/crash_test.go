package dir_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"indelible/internal/disk/disktest"
	"indelible/internal/store"
)

const root = "/data/store/audit-logs"

var (
	before = bytes.Repeat([]byte("before"), 3000)
	after  = bytes.Repeat([]byte("after!"), 5000)
)

// steps is one writer's life; each names an object and its content afterwards.
func steps(t *testing.T, fsys *disktest.Mem) (acknowledged map[string][]byte) {
	s := open(t, fsys, root)
	ctx := t.Context()
	acknowledged = make(map[string][]byte)
	note := func(name string, data []byte, err error) {
		if err == nil {
			acknowledged[name] = data
		} else if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	note("wal/1", before, s.Create(ctx, "wal/1", before, time.Time{}))
	note("tile/0/x001/002", before, s.Create(ctx, "tile/0/x001/002", before, time.Time{}))
	note("checkpoint", before, s.Replace(ctx, "checkpoint", before, ""))
	note("wal/2", after, s.Create(ctx, "wal/2", after, time.Time{}))
	if obj, err := s.Read(ctx, "checkpoint", store.ReadOptions{}); err == nil {
		note("checkpoint", after, s.Replace(ctx, "checkpoint", after, obj.ETag))
	}
	return acknowledged
}

// TestPowerCutAtEverySync: at any sync the power may go, with what was not
// synced kept or lost at random. What was acknowledged is there; what was not
// is whole or absent; and writing can go on.
func TestPowerCutAtEverySync(t *testing.T) {
	t.Parallel()
	count := disktest.New()
	steps(t, count)
	for cut := 1; cut <= count.Syncs(); cut++ {
		for seed := range uint64(6) {
			fsys := disktest.New()
			var left *disktest.Mem
			fsys.OnSync(func(n int, _ string) error {
				if n < cut {
					return nil
				}
				if n == cut {
					rng := rand.New(rand.NewPCG(seed, uint64(cut)))
					if seed == 0 {
						rng = nil
					}
					left = fsys.Crash(rng)
				}
				return errors.New("power is off")
			})
			acknowledged := steps(t, fsys)
			wantAfterCrash(t, fmt.Sprintf("cut at sync %d, seed %d", cut, seed), left, acknowledged)
		}
	}
}

func wantAfterCrash(t *testing.T, what string, left *disktest.Mem, acknowledged map[string][]byte) {
	t.Helper()
	s := open(t, left, root)
	ctx := t.Context()
	for _, name := range []string{"wal/1", "wal/2", "tile/0/x001/002", "checkpoint"} {
		obj, err := s.Read(ctx, name, store.ReadOptions{})
		switch {
		case errors.Is(err, store.ErrNotExist):
			if acknowledged[name] != nil {
				t.Errorf("%s: %s was acknowledged and is gone", what, name)
			}
			if err := s.Create(ctx, name, after, time.Time{}); err != nil {
				t.Errorf("%s: writing goes on: %v", what, err)
			}
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case !bytes.Equal(obj.Data, before) && !bytes.Equal(obj.Data, after):
			t.Errorf("%s: %s holds %d bytes nobody wrote", what, name, len(obj.Data))
		case name != "checkpoint" && acknowledged[name] != nil && !bytes.Equal(obj.Data, acknowledged[name]):
			t.Errorf("%s: %s differs from what was acknowledged", what, name)
		case bytes.Equal(obj.Data, before) && bytes.Equal(acknowledged[name], after):
			t.Errorf("%s: %s fell back behind what was acknowledged", what, name)
		}
	}
	for name, err := range s.List(ctx, "", "") {
		if err != nil || strings.Contains(name, "tmp") {
			t.Errorf("%s: list gives %q, %v", what, name, err)
		}
	}
}

// TestExistIsDurable: a process dies between giving a file its name and syncing
// it. The next one finds its own bytes under the name, takes that for success,
// and the power goes.
func TestExistIsDurable(t *testing.T) {
	t.Parallel()
	fsys := disktest.New()
	dies := true
	fsys.OnSync(func(_ int, name string) error {
		if dies && name == root+"/wal" {
			return errors.New("killed")
		}
		return nil
	})
	err := open(t, fsys, root).Create(t.Context(), "wal/1", before, time.Time{})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("create: %v, want ErrUnavailable", err)
	}
	dies = false
	err = open(t, fsys, root).Create(t.Context(), "wal/1", before, time.Time{})
	if !errors.Is(err, store.ErrExist) {
		t.Fatalf("create again: %v, want ErrExist", err)
	}
	obj, err := open(t, fsys.Crash(nil), root).Read(t.Context(), "wal/1", store.ReadOptions{})
	if err != nil || !bytes.Equal(obj.Data, before) {
		t.Errorf("after the power cut: %d bytes, %v", len(obj.Data), err)
	}
}

// TestFullDisk: a clear error, nothing left behind, and success when there is
// room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	fsys := disktest.New()
	s := open(t, fsys, root)
	if err := s.Create(t.Context(), "checkpoint", before, time.Time{}); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Read(t.Context(), "checkpoint", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fsys.FailWrites(100, syscall.ENOSPC)
	for what, err := range map[string]error{
		"create":  s.Create(t.Context(), "wal/1", after, time.Time{}),
		"replace": s.Replace(t.Context(), "checkpoint", after, obj.ETag),
	} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no room left") {
			t.Errorf("%s: %v, want ErrUnavailable that speaks of room", what, err)
		}
	}
	for _, dir := range []string{root, root + "/wal"} {
		entries, err := fsys.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "checkpoint" && e.Name() != "wal" {
				t.Errorf("%s is left behind in %s", e.Name(), dir)
			}
		}
	}
	fsys.FailWrites(0, nil)
	if err := s.Create(t.Context(), "wal/1", after, time.Time{}); err != nil {
		t.Error(err)
	}
}
