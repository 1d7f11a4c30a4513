package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/store"
)

// verify checks the log with all keys.
func (w *world) verify(change ...func(*ledger.VerifyOptions)) *ledger.Report {
	w.t.Helper()
	return w.verifyStore(w.store, change...)
}

func (w *world) verifyStore(st store.Store, change ...func(*ledger.VerifyOptions)) *ledger.Report {
	w.t.Helper()
	r, err := w.tryVerify(st, change...)
	if err != nil {
		w.t.Fatalf("verify: %v\n%s", err, describe(r))
	}
	return r
}

func (w *world) tryVerify(st store.Store, change ...func(*ledger.VerifyOptions)) (*ledger.Report, error) {
	opt := ledger.VerifyOptions{VerifierKey: w.vkey, OwnKey: true, IDKey: &w.idKey, Opener: w.sealer, Workers: 2, Clock: w.clock.Now}
	for _, c := range change {
		c(&opt)
	}
	return ledger.Verify(w.t.Context(), st, opt)
}

func trusting(c *ledger.Checkpoint) func(*ledger.VerifyOptions) {
	return func(o *ledger.VerifyOptions) { o.Trusted = c }
}

// checkpoint opens the checkpoint of a store.
func (w *world) checkpoint(st store.Store) *ledger.Checkpoint {
	w.t.Helper()
	o, err := st.Read(w.t.Context(), "checkpoint", store.ReadOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := ledger.OpenCheckpoint(o.Data, w.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func describe(r *ledger.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "result %s: %d events, %d leaves, %d pending\n", r.Result, r.Events, r.Leaves, r.Pending)
	for i, p := range r.Problems {
		if i == 20 {
			fmt.Fprintf(&b, "  … %d more\n", len(r.Problems)-i)
			break
		}
		fmt.Fprintf(&b, "  %s", p.Object)
		if p.Index != nil {
			fmt.Fprintf(&b, " index %d", *p.Index)
		}
		fmt.Fprintf(&b, " %s: %s\n", p.EventID, p.What)
	}
	return b.String()
}

// want fails the test unless the report says so.
func want(t *testing.T, r *ledger.Report, result string) {
	t.Helper()
	if r.Result != result {
		t.Errorf("result %q, want %q\n%s", r.Result, result, describe(r))
	}
}

// wantClean fails the test unless the log verifies without any problem.
func (w *world) wantClean() {
	w.t.Helper()
	r := w.verify()
	if r.Result != ledger.ResultOK || len(r.Problems) > 0 {
		w.t.Errorf("want a clean log\n%s", describe(r))
	}
}

// named reports whether a problem names the object.
func named(r *ledger.Report, object string) bool {
	return slices.ContainsFunc(r.Problems, func(p ledger.Problem) bool { return p.Object == object })
}

// recorded reads the log back: the ids of each tenant's events in their order.
func (w *world) recorded() map[string][]string {
	w.t.Helper()
	r, err := ledger.NewReader(w.t.Context(), w.store, w.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	found := make(map[string][]string)
	for e, err := range r.Entries(w.t.Context(), 0, r.Checkpoint().Size) {
		if err != nil {
			w.t.Fatal(err)
		}
		if !e.Leaf.Kind.Recorded() {
			continue
		}
		tenant, id, err := w.sealer.EventIdentity(e.Payload)
		if err != nil {
			w.t.Fatal(err)
		}
		found[string(tenant)] = append(found[string(tenant)], string(id))
	}
	return found
}

// wantRecorded fails the test unless exactly these events are in the log, each
// once, each tenant's in the order given.
func (w *world) wantRecorded(lists ...[]*indelible.Event) {
	w.t.Helper()
	expected := make(map[string][]string)
	for _, list := range lists {
		for _, e := range list {
			expected[e.TenantID] = append(expected[e.TenantID], e.ID)
		}
	}
	got := w.recorded()
	for _, tenant := range slices.Sorted(maps.Keys(expected)) {
		if !slices.Equal(got[tenant], expected[tenant]) {
			w.t.Errorf("tenant %s: %d events in the log, want %d\n got %v\nwant %v", tenant, len(got[tenant]), len(expected[tenant]), got[tenant], expected[tenant])
		}
		delete(got, tenant)
	}
	for tenant, ids := range got {
		w.t.Errorf("tenant %s: %d events nobody recorded", tenant, len(ids))
	}
}
