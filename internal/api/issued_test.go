package api_test

import (
	"crypto/sha256"
	"testing"

	"indelible"
	"indelible/internal/history"
	"indelible/internal/recorder"
)

// TestIssuedEvidence: evidence that was handed out is known to the log by its
// hash, to whom it went and what it shows; what was refused is not there.
func TestIssuedEvidence(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	var one struct{ Index uint64 }
	w.get("reader", "/v1/events/"+id(1)).into(t, &one)
	type issued struct {
		by, shows string
		of        *uint64
		hash      indelible.Hash
	}
	var want []issued
	for _, c := range []struct {
		issued
		path string
	}{
		{issued{"reader", history.ShowsEvent, &one.Index, indelible.Hash{}}, "/v1/events/" + id(1) + "/evidence"},
		{issued{"reader", history.ShowsSkeleton, &one.Index, indelible.Hash{}}, "/v1/events/" + id(1) + "/evidence?without_person=true"},
		{issued{"auditor", history.ShowsTenant, nil, indelible.Hash{}}, "/v1/tenants/acme/completeness"},
	} {
		a := w.get(c.by, c.path)
		if a.status != 200 {
			t.Fatalf("%s: %d %s", c.path, a.status, a.body)
		}
		c.hash = sha256.Sum256(a.body)
		want = append(want, c.issued)
	}
	w.get("writer", "/v1/events/"+id(1)+"/evidence")
	w.get("reader", "/v1/events/"+id(2)+"/evidence")
	w.settled()

	log := &history.Log{Reader: w.reader, Sealer: recorder.Plain}
	size, err := log.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refs, err := log.TenantRefs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []issued
	for row, err := range log.Events(t.Context(), 0, size) {
		if err != nil {
			t.Fatal(err)
		}
		i, ok := history.IssuedBy(row.Event)
		if !ok {
			continue
		}
		if row.Event.TenantID != history.SystemTenant || i.Tenant == nil || *i.Tenant != refs[0] {
			t.Errorf("%+v in an event of %s", i, row.Event.TenantID)
		}
		got = append(got, issued{row.Event.UserID, i.Shows, i.Index, i.SHA256})
	}
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for n, w := range want {
		g := got[n]
		if g.by != w.by || g.shows != w.shows || g.hash != w.hash || (g.of == nil) != (w.of == nil) || g.of != nil && *g.of != *w.of {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
}
