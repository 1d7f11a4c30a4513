package ledger_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// TestNewerVersion: what a later version may have written nobody here can
// judge; what is ours but for the version it claims was changed.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(false))
	mem := w.store.(*memory)
	p := d.open().ready()
	for i := range 3 {
		p.commit(events("acme", 10*i, 5)...)
		p.publish()
	}
	p.close()
	var last, wal string
	for _, name := range mem.names() {
		switch {
		case strings.HasPrefix(name, "heads/"):
			last = name
		case strings.HasPrefix(name, "wal/"):
			wal = name
		}
	}
	changed := func(b []byte) []byte { b[4] = 2; return b }
	rewritten := func(b []byte) []byte {
		b = append(changed(b), "what nobody knows"...)
		for i := 32; i < 48; i++ { // log id, or number of rows
			b[i] ^= 0xff
		}
		return b
	}
	isNewer := func(err error) bool { return errors.Is(err, indelible.ErrNewerFormat) }
	isTampering := func(err error) bool {
		var bad *ledger.TamperError
		return errors.As(err, &bad)
	}
	for _, name := range []string{last, wal, ledger.SegmentName(1)} {
		for _, test := range []struct {
			what   string
			change func([]byte) []byte
			result string
			is     func(error) bool
		}{{"changed", changed, ledger.ResultTampered, isTampering}, {"rewritten", rewritten, ledger.ResultUnverified, isNewer}} {
			at := mem.clone()
			at.set(name, test.change(bytes.Clone(mem.get(name))))
			if r := w.verifyStore(at); r.Result != test.result || !named(r, name) {
				t.Errorf("%s %s: %s", name, test.what, describe(r))
			}
			err := readAll(t, w, at)
			if name != last && !test.is(err) {
				t.Errorf("%s %s: read: %v", name, test.what, err)
			}
			r, err := ledger.NewReader(t.Context(), at, w.vkey)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.LogKeys(t.Context())
			if name != ledger.SegmentName(1) && !test.is(err) {
				t.Errorf("%s %s: keys: %v", name, test.what, err)
			}
			if name == ledger.SegmentName(1) {
				continue // a writer does not look so far back
			}
			p := d.copyOf(w, at).open()
			if err := p.ledger.Ready(p.context()); !test.is(err) {
				t.Errorf("%s %s: open: %v", name, test.what, err)
			}
			p.close()
		}
	}
}

// readAll reads every leaf on its own and all of them in order.
func readAll(t *testing.T, w *world, mem *memory) error {
	t.Helper()
	r, err := ledger.NewReader(t.Context(), mem, w.vkey)
	if err != nil {
		return err
	}
	var alone error
	for i := range r.Checkpoint().Size {
		if _, err := r.Entry(t.Context(), i); err != nil && alone == nil {
			alone = err
		}
	}
	var inOrder error
	for _, err := range r.Entries(t.Context(), 0, r.Checkpoint().Size) {
		inOrder = err
	}
	if (alone == nil) != (inOrder == nil) || errors.Is(alone, indelible.ErrNewerFormat) != errors.Is(inOrder, indelible.ErrNewerFormat) {
		t.Errorf("alone: %v; in order: %v", alone, inOrder)
	}
	return alone
}

// TestNewerOnTop: who may write to a bucket cannot stop anybody with an object
// that says it is of a later version: the original lies below it.
func TestNewerOnTop(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(true))
	mem := w.store.(*memory)
	p := d.open().ready()
	for i := range 3 {
		p.commit(events("acme", 10*i, 5)...)
		p.publish()
	}
	p.close()
	for _, name := range mem.names() {
		if b := mem.get(name); strings.HasPrefix(name, "heads/") || strings.HasPrefix(name, "wal/") {
			mem.overlay(name, append(append(bytes.Clone(b[:4]), 2, 1), make([]byte, 400)...))
		}
	}
	if err := readAll(t, w, mem); err != nil {
		t.Error(err)
	}
	want(t, w.verify(), ledger.ResultOK)
	p = d.open().ready()
	p.commit(events("acme", 50, 5)...)
	p.publish()
	p.close()
	want(t, w.verify(), ledger.ResultOK)
}

// TestRecall: what was accepted under an earlier key of the log counts.
func TestRecall(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	asked := 0
	recall := func(c *ledger.Checkpoint) func(*ledger.VerifyOptions) {
		return func(o *ledger.VerifyOptions) {
			o.Recall = func(vkey string) *ledger.Checkpoint {
				asked++
				if vkey != h.vkey {
					t.Errorf("asked for %s", vkey)
				}
				return c
			}
		}
	}
	want(t, h.verifyStore(h.early, recall(h.last)), ledger.ResultTampered)
	want(t, h.verifyStore(h.early, recall(h.first)), ledger.ResultOK)
	want(t, h.verifyStore(h.early, recall(nil)), ledger.ResultOK)
	if asked == 0 {
		t.Error("nobody was asked")
	}
	want(t, h.verifyStore(h.early, recall(h.last), trusting(h.first)), ledger.ResultOK)
}
