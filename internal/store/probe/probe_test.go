package probe_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/disk/disktest"
	"indelible/internal/store"
	"indelible/internal/store/dir"
	"indelible/internal/store/probe"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
	"indelible/internal/store/storetest"
)

func outcome(r probe.Report) map[string]bool {
	m := make(map[string]bool)
	for _, f := range r.Findings {
		m[f.Name] = f.OK
	}
	return m
}

func left(t *testing.T, s store.Store) []string {
	t.Helper()
	var names []string
	for name, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func memory(t *testing.T) store.Store {
	t.Helper()
	s, err := dir.Open(disktest.New(), "/store")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	s := memory(t)
	for _, name := range []string{"wal/1", "probe/0123456789abcdef/object", "probe/notes"} {
		if err := s.Create(t.Context(), name, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	r := probe.Run(t.Context(), s)
	want := map[string]bool{"write and read": true, "second create refused": true, "stale replace refused": true, "clean up": true}
	if diff := cmp.Diff(want, outcome(r)); diff != "" {
		t.Errorf("%+v (-want +got):\n%s", r, diff)
	}
	if len(r.Guarantees) == 0 || !slices.ContainsFunc(r.Limits, func(s string) bool { return strings.Contains(s, "cannot lock") }) {
		t.Errorf("words %q, %q", r.Guarantees, r.Limits)
	}
	if diff := cmp.Diff([]string{"probe/notes", "wal/1"}, left(t, s)); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for _, mode := range []string{"COMPLIANCE", "GOVERNANCE", ""} {
		for _, compat := range []bool{false, true} {
			cfg := server.Config(server.NewBucket(t, true))
			cfg.LockMode, cfg.ChecksumCompat = mode, compat
			s, err := s3.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			r := probe.Run(t.Context(), s)
			want := map[string]bool{
				"settings": true, "write and read": true, "second create refused": true, "stale replace refused": true,
				"wrong checksum refused": true, "clock": true, "clean up": true,
			}
			if mode != "" {
				want["retention readable"], want["locked object stays"] = true, true
			}
			if diff := cmp.Diff(want, outcome(r)); diff != "" {
				t.Errorf("mode %q, compat %v: %+v (-want +got):\n%s", mode, compat, r, diff)
			}
			names := left(t, s)
			if mode == "" && len(names) != 0 || mode != "" && (len(names) != 1 || !strings.HasSuffix(names[0], "/locked")) {
				t.Errorf("mode %q: %q left behind", mode, names)
			}
		}
	}
}

// TestPlainBucket: locks are asked for where there are none.
func TestPlainBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(server.NewBucket(t, false))
	cfg.LockMode = "COMPLIANCE"
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := outcome(probe.Run(t.Context(), s))
	if got["settings"] || got["lock"] || !got["write and read"] {
		t.Errorf("findings %v", got)
	}
}

// careless is a store with none of the properties a ledger needs.
type careless struct{ *storetest.Faulty }

func (c careless) Create(ctx context.Context, name string, data []byte, _ time.Time) error {
	return c.ThirdParty(ctx, name, data)
}

func (c careless) Replace(ctx context.Context, name string, data []byte, _ string) error {
	return c.ThirdParty(ctx, name, data)
}

func (c careless) CreateDamaged(ctx context.Context, name string, data []byte) (bool, error) {
	return false, c.ThirdParty(ctx, name, data)
}

func (c careless) LockMode() string            { return "COMPLIANCE" }
func (c careless) Check(context.Context) error { return nil }

func TestCarelessStore(t *testing.T) {
	t.Parallel()
	f := storetest.NewFaulty(memory(t))
	f.SetSkew(time.Hour)
	r := probe.Run(t.Context(), careless{f})
	want := map[string]bool{
		"settings": true, "write and read": true, "second create refused": false, "stale replace refused": false, "wrong checksum refused": false,
		"retention readable": false, "locked object stays": false, "clock": false, "clean up": true,
	}
	if diff := cmp.Diff(want, outcome(r)); diff != "" {
		t.Errorf("%+v (-want +got):\n%s", r, diff)
	}
	for _, f := range r.Findings {
		if f.Detail == "" {
			t.Errorf("%s has no detail", f.Name)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	f := storetest.NewFaulty(memory(t))
	f.SetDown(true)
	r := probe.Run(t.Context(), f)
	if diff := cmp.Diff(map[string]bool{"write and read": false}, outcome(r)); diff != "" {
		t.Errorf("%+v (-want +got):\n%s", r, diff)
	}
}
