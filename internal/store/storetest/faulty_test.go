package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/disk/disktest"
	"indelible/internal/store"
	"indelible/internal/store/dir"
	"indelible/internal/store/storetest"
)

func faulty(t *testing.T) *storetest.Faulty {
	t.Helper()
	s, err := dir.Open(disktest.New(), "/store")
	if err != nil {
		t.Fatal(err)
	}
	return storetest.NewFaulty(s)
}

// TestFaultyPasses: without faults it is a store like any other.
func TestFaultyPasses(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return faulty(t) })
}

func put(t *testing.T, f *storetest.Faulty, name, data string) error {
	t.Helper()
	return f.Create(t.Context(), name, []byte(data), time.Time{})
}

func content(t *testing.T, s store.Store, name string) string {
	t.Helper()
	obj, err := s.Read(t.Context(), name, store.ReadOptions{})
	if errors.Is(err, store.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(obj.Data)
}

func TestFaultyModes(t *testing.T) {
	t.Parallel()
	custom := errors.New("custom")
	tests := []struct {
		name  string
		fault storetest.Fault
		err   error
		after string // what the store holds
	}{
		{"refuse", storetest.Fault{}, store.ErrUnavailable, "(none)"},
		{"refuse with an error", storetest.Fault{Err: custom}, custom, "(none)"},
		{"lose the reply", storetest.Fault{Mode: storetest.LoseReply}, store.ErrUnavailable, "1"},
		{"late", storetest.Fault{Mode: storetest.Late}, store.ErrUnavailable, "(none)"},
		{"pass", storetest.Fault{Mode: storetest.Pass}, nil, "1"},
		{"other operation", storetest.Fault{Op: storetest.Replace}, nil, "1"},
		{"other name", storetest.Fault{Name: "wal/10"}, nil, "1"},
		{"other prefix", storetest.Fault{Name: "tile/*"}, nil, "1"},
		{"prefix", storetest.Fault{Name: "wal/*"}, store.ErrUnavailable, "(none)"},
		{"skipped", storetest.Fault{Skip: 1}, nil, "1"},
	}
	for _, test := range tests {
		f := faulty(t)
		f.Inject(test.fault)
		if err := put(t, f, "wal/1", "1"); !errors.Is(err, test.err) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.err)
		}
		if got := content(t, f.Inner(), "wal/1"); got != test.after {
			t.Errorf("%s: the store holds %s, want %s", test.name, got, test.after)
		}
	}
}

func TestFaultyTimes(t *testing.T) {
	t.Parallel()
	f := faulty(t)
	end := f.Inject(storetest.Fault{Op: storetest.Create, Skip: 1, Times: 2})
	var failed []bool
	for _, name := range []string{"a", "b", "c", "d"} {
		failed = append(failed, put(t, f, name, "") != nil)
	}
	if diff := cmp.Diff([]bool{false, true, true, false}, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	end() // used up already
	f.Inject(storetest.Fault{})()
	if err := put(t, f, "e", ""); err != nil {
		t.Errorf("after the end of the fault: %v", err)
	}
	if n := f.Count(storetest.Create, ""); n != 3 {
		t.Errorf("%d creates reached the store, want 3", n)
	}
	if n := len(f.Calls()); n != 5 {
		t.Errorf("%d calls, want 5", n)
	}
}

func TestFaultyDown(t *testing.T) {
	t.Parallel()
	f := faulty(t)
	f.SetDown(true)
	_, readErr := f.Read(t.Context(), "a", store.ReadOptions{})
	_, versionsErr := f.Versions(t.Context(), "a")
	var listErr error
	for _, err := range f.List(t.Context(), "", "") {
		listErr = err
	}
	for what, err := range map[string]error{
		"create": put(t, f, "a", ""), "replace": f.Replace(t.Context(), "a", nil, ""), "remove": f.Remove(t.Context(), "a"),
		"read": readErr, "versions": versionsErr, "list": listErr,
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
	f.SetDown(false)
	if err := put(t, f, "a", ""); err != nil {
		t.Error(err)
	}
}

// TestFaultyLate: a write arrives after somebody else has taken the name.
func TestFaultyLate(t *testing.T) {
	t.Parallel()
	f := faulty(t)
	f.Inject(storetest.Fault{Mode: storetest.Late, Times: 2})
	data := []byte("first")
	for _, name := range []string{"a", "b"} {
		if err := f.Create(t.Context(), name, data, time.Time{}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
	}
	clear(data)
	if err := put(t, f, "b", "second"); err != nil {
		t.Fatal(err)
	}
	if f.Held() != 2 || f.Count(storetest.Create, "") != 1 {
		t.Errorf("%d held, %d written", f.Held(), f.Count(storetest.Create, ""))
	}
	answers := f.Release()
	if len(answers) != 2 || answers[0] != nil || !errors.Is(answers[1], store.ErrExist) {
		t.Errorf("answers %v, want none and ErrExist", answers)
	}
	if a, b := content(t, f, "a"), content(t, f, "b"); a != "first" || b != "second" {
		t.Errorf("a holds %q, b holds %q", a, b)
	}
}

// TestFaultyThirdParty: somebody takes the name just before we do.
func TestFaultyThirdParty(t *testing.T) {
	t.Parallel()
	f := faulty(t)
	f.Inject(storetest.Fault{Mode: storetest.Pass, Before: func(name string) {
		if err := f.ThirdParty(t.Context(), name, []byte("garbage")); err != nil {
			t.Error(err)
		}
	}, Times: 1})
	if err := put(t, f, "a", "ours"); !errors.Is(err, store.ErrExist) {
		t.Errorf("error %v, want ErrExist", err)
	}
	if err := f.ThirdParty(t.Context(), "a", []byte("more")); err != nil {
		t.Error(err)
	}
	if got := content(t, f, "a"); got != "more" {
		t.Errorf("the store holds %q", got)
	}
}

func TestFaultyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := faulty(t)
		start := time.Now()
		f.Inject(storetest.Fault{Mode: storetest.Pass, Delay: time.Hour, Times: 1})
		if err := put(t, f, "a", ""); err != nil || time.Since(start) != time.Hour {
			t.Errorf("%v after %v, want an hour", err, time.Since(start))
		}
		opened := make(chan struct{})
		f.Inject(storetest.Fault{Mode: storetest.Pass, Wait: opened})
		done := make(chan error, 2)
		for _, name := range []string{"b", "c"} {
			go func() { done <- put(t, f, name, "") }()
		}
		synctest.Wait()
		if n := f.MostInFlight(storetest.Create); n != 2 || len(done) != 0 {
			t.Errorf("%d in flight, %d done", n, len(done))
		}
		close(opened)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f.Inject(storetest.Fault{Delay: time.Hour})
		if err := f.Remove(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}

func TestFaultySkew(t *testing.T) {
	t.Parallel()
	f := faulty(t)
	if _, known := f.Skew(); known {
		t.Error("a directory knows a clock")
	}
	f.SetSkew(-time.Hour)
	if skew, known := f.Skew(); skew != -time.Hour || !known {
		t.Errorf("skew %v, %v", skew, known)
	}
}
