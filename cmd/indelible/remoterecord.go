package main

import (
	"context"
	"fmt"

	"indelible"
	"indelible/internal/api"
	"indelible/internal/dataset"
)

// remoteBook records what happens to datasets through a server. Who exports is
// then whoever the key is of.
type remoteBook struct {
	server   *remote
	evidence map[string]*indelible.Evidence // by the id of the event
}

// newBook is a book whose events go to the server.
func (r *remote) newBook() *remoteBook {
	return &remoteBook{r, make(map[string]*indelible.Evidence)}
}

// actorKind is what the server says of who exports: it knows whose key it is.
const actorKind = "authenticated"

// fitsServer says what an export through a server cannot do.
func (o *exportSpec) fitsServer() error {
	if len(o.metadata) > 0 {
		return usagef("export where the ledger is: its key hides the value in the manifest", "--where-metadata does not go with INDELIBLE_URL")
	}
	return nil
}

// export has a job recorded by the server, and masked with what it gives.
func (r *remote) export(ctx context.Context, spec *exportSpec, job *dataset.Job) (closeKeys func() error, err error) {
	closeKeys = func() error { return nil }
	job.Recorder = r.newBook()
	job.ActorKind = actorKind
	if spec.mask == maskOff {
		return closeKeys, nil
	}
	m := &remoteMasks{server: r, made: make(map[string]*api.TenantMasks)}
	policy, err := m.policy(ctx)
	if err != nil {
		return nil, err
	}
	var persons personKeys
	if spec.mask == maskPseudonym {
		persons = m
		tenants := job.Query.Tenants
		if len(tenants) != 1 {
			tenants = append([]string{systemTenant}, tenants...)
		}
		for _, tenant := range tenants { // before anything is begun
			if _, _, err := m.of(ctx, tenant); err != nil {
				return nil, err
			}
		}
	}
	maskRows(ctx, job, policy, persons, spec.mask, spec.recheck)
	return closeKeys, nil
}

// What one request holds at most; the server takes twice that.
const (
	remoteEvents = 5000
	remoteBytes  = 4 << 20
)

// Record implements dataset.Recorder.
func (b *remoteBook) Record(ctx context.Context, events []*indelible.Event) error {
	for len(events) > 0 {
		var body []byte
		n := 0
		for n < len(events) && n < remoteEvents && len(body) < remoteBytes {
			body = append(events[n].AppendCanonical(body), '\n')
			n++
		}
		var answer api.DatasetRecorded
		if err := b.server.do(ctx, "POST", "/v1/datasets", body, &answer); err != nil {
			return err
		}
		if len(answer.Receipts) != n {
			return fmt.Errorf("the server answered for %d of %d events", len(answer.Receipts), n)
		}
		for i, r := range answer.Receipts {
			if r == nil || r.ID != events[i].ID || r.TenantID != events[i].TenantID {
				return fmt.Errorf("the server's receipts are not those of what was sent")
			}
		}
		for _, e := range events[:n] {
			if e.TenantID == systemTenant {
				b.evidence[e.ID] = answer.Evidence
				break
			}
		}
		events = events[n:]
	}
	return nil
}

// Evidence implements dataset.Recorder: it came with the receipts.
func (b *remoteBook) Evidence(_ context.Context, _, eventID string) ([]byte, error) {
	e := b.evidence[eventID]
	if e == nil {
		return nil, nil
	}
	return evidenceBytes(e)
}
