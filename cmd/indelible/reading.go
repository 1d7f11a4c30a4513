package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store"
)

// reading is a ledger opened for reading: no lock, no secret but the id-key,
// which only makes looking up faster.
type reading struct {
	*ledger.Reader
	name   string // of the log, as no other has it
	vkey   string
	idKey  *[32]byte
	sealer recorder.Sealer
}

// openForReading opens the published log of the data directory.
func (a *app) openForReading(ctx context.Context) (*reading, error) {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return nil, err
	}
	vkey, err := verifierKey(d)
	if err != nil {
		return nil, err
	}
	r, err := newReader(ctx, d, vkey)
	if err != nil {
		return nil, err
	}
	idKey, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		idKey = nil
	}
	sealer, end, err := a.sealerFor(ctx, d, idKey, true)
	if err != nil {
		return nil, err
	}
	a.atEnd = append(a.atEnd, end)
	if err := applyFences(ctx, r, sealer); err != nil {
		return nil, err
	}
	return &reading{r, logName(d), vkey, idKey, sealer}, nil
}

func verifierKey(d *datadir.Directory) (string, error) {
	vkey, err := d.VerifierKey()
	if err != nil {
		return "", failf(exitUnverified, "restore log.vkey; nothing is shown that cannot be proved", "no key to verify with: %w", err)
	}
	return vkey, nil
}

func newReader(ctx context.Context, d *datadir.Directory, vkey string) (*ledger.Reader, error) {
	r, err := ledger.NewReader(ctx, d.Store, vkey)
	if errors.Is(err, ledger.ErrWrongKey) {
		// The key is the ledger's own: the checkpoint is somebody else's.
		return nil, failf(exitTampered, "run `indelible verify` for the whole picture", "checkpoint: %w", err)
	}
	return r, err
}

// openToServe opens the published log for a server. A store that does not answer
// leaves it without a reader: events are taken meanwhile. Records are opened with
// the writer's keys.
func (a *app) openToServe(ctx context.Context, d *datadir.Directory) (*reading, error) {
	vkey, err := verifierKey(d)
	if err != nil {
		return nil, err
	}
	idKey, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		idKey = nil
	}
	wait, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	r, err := newReader(wait, d, vkey)
	if ctx.Err() == nil && (errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)) {
		r, err = nil, nil
	}
	return &reading{r, logName(d), vkey, idKey, nil}, err
}

// logName is what a log is called that no other is.
func logName(d *datadir.Directory) string { return d.Config.Origin + " " + d.Config.LogID.String() }

// locate finds the leaf that INDEX|EVENT_ID means.
func (r *reading) locate(ctx context.Context, a *app, what, tenant string) (uint64, error) {
	if index, err := strconv.ParseUint(what, 10, 64); err == nil {
		return index, r.checkTenant(ctx, index, tenant)
	}
	id, err := uuid.Parse(what)
	if err != nil || len(what) != len(id.String()) {
		return 0, usagef("name a leaf by its index, such as 42, or an event by its id, a UUID", "%q is neither an index nor an event id", what)
	}
	matches, err := r.Find(ctx, id.String(), tenant, r.idKey, r.sealer)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, r.notFound("event "+id.String(), tenant)
	}
	if err != nil {
		return 0, err
	}
	return r.choose(a, matches)
}

// choose takes the first of several leaves of one tenant: the others are
// conflicts, which came later under the same id.
func (r *reading) choose(a *app, matches []ledger.Match) (uint64, error) {
	first := matches[0]
	tenants := []string{field(first.TenantID)}
	var others []string
	for _, m := range matches[1:] {
		if name := field(m.TenantID); !slices.Contains(tenants, name) {
			tenants = append(tenants, name)
		}
		others = append(others, strconv.FormatUint(m.Index, 10))
	}
	if len(tenants) > 1 {
		return 0, usagef("choose one with --tenant", "several tenants have an event with this id: %s", strings.Join(tenants, ", "))
	}
	if len(others) > 0 {
		fmt.Fprintf(a.stderr, "other content was sent under the same id later; it is kept at index %s\n", strings.Join(others, ", "))
	}
	return first.Index, nil
}

func (r *reading) notFound(what, tenant string) error {
	if tenant != "" {
		what += " of tenant " + field(tenant)
	}
	return failf(exitFailure, "what was recorded a moment ago is there once it is published", "%s is not among the %d leaves of %s", what, r.Checkpoint().Size, r.Checkpoint().Origin)
}

// checkTenant makes sure that the leaf at index, if it exists, is the tenant's.
func (r *reading) checkTenant(ctx context.Context, index uint64, tenant string) error {
	if index >= r.Checkpoint().Size {
		return r.notFound("index "+strconv.FormatUint(index, 10), "")
	}
	if tenant == "" {
		return nil
	}
	e, err := r.Entry(ctx, index)
	if err != nil {
		return err
	}
	names, err := r.Tenants(ctx, r.sealer)
	if err != nil {
		return err
	}
	if no := e.Leaf.TenantNo; no == 0 || no > uint64(len(names)) || names[no-1] != tenant {
		return r.notFound("index "+strconv.FormatUint(index, 10), tenant)
	}
	return nil
}
