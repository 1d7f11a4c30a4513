// Package scoped is the log for whoever asks from outside: every look at data
// takes the tenants it was allowed for. Who has none cannot look, and a call that
// forgets them does not compile.
package scoped

import (
	"context"
	"iter"
	"maps"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/history"
	"indelible/internal/ledger"
	"indelible/internal/search"
)

// Log is a published log and its index.
type Log struct {
	log   *history.Log
	index search.Index
}

// New makes a log to look at, for scopes.
func New(log *history.Log, index search.Index) Log { return Log{log, index} }

// Size is that of the published tree.
func (l Log) Size() uint64 { return l.log.Checkpoint().Size }

// TenantRefs are the keyed references of tenants, by number − 1. They name nobody.
func (l Log) TenantRefs(ctx context.Context) ([]indelible.Ref, error) { return l.log.TenantRefs(ctx) }

// Search yields what a query finds. Of an event outside of the scope there is the
// place, for going on behind it, and nothing of what it says.
func (l Log) Search(ctx context.Context, scope access.TenantScope, q search.Query) iter.Seq2[*history.Found, error] {
	return func(yield func(*history.Found, error) bool) {
		for f, err := range search.Results(ctx, l.index, q, l.log.Read) {
			if err == nil && (f.Event == nil || !scope.Allows(f.Event.TenantID)) {
				f = &history.Found{Entry: &ledger.Entry{Index: f.Index}}
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// Looks yields what a query finds in the access log, for who may know of looks at a
// tenant. What of it is about that tenant the caller has to tell.
func (l Log) Looks(ctx context.Context, scope access.TenantScope, tenant string, q search.Query) iter.Seq2[*history.Found, error] {
	if !scope.Allows(tenant) {
		return func(func(*history.Found, error) bool) {}
	}
	q.Where = maps.Clone(q.Where)
	q.Where["tenant_id"] = access.Tenant
	return search.Results(ctx, l.index, q, l.log.Read)
}

// Read reads the event at a place. Its Event is nil if it was erased or expired.
func (l Log) Read(ctx context.Context, scope access.TenantScope, place uint64) (found *history.Found, err error) {
	for f, err := range l.log.Read(ctx, []uint64{place}) {
		switch {
		case err != nil:
			return nil, err
		case f.Event != nil && !scope.Allows(f.Event.TenantID):
			return nil, ledger.ErrNotFound
		}
		found = f
	}
	if found == nil {
		return nil, ledger.ErrNotFound
	}
	return found, nil
}

// Prove proves the event of a tenant at a place, and shows the first parts of it.
func (l Log) Prove(ctx context.Context, scope access.TenantScope, tenant string, place uint64, parts int) (*indelible.Evidence, error) {
	if !scope.Allows(tenant) {
		return nil, ledger.ErrNotFound
	}
	return l.log.Prove(ctx, place, parts, l.log.Sealer)
}

// ProveTenant proves that nothing of a tenant is missing.
func (l Log) ProveTenant(ctx context.Context, scope access.TenantScope, tenant string) (*indelible.Completeness, error) {
	if !scope.Allows(tenant) {
		return nil, ledger.ErrNotFound
	}
	return l.log.ProveTenant(ctx, tenant, l.log.Sealer)
}

// Several reads the events at places. What is outside of the scope is as erased.
func (l Log) Several(ctx context.Context, scope access.TenantScope, places []uint64) iter.Seq2[*history.Found, error] {
	return func(yield func(*history.Found, error) bool) {
		for f, err := range l.log.Read(ctx, places) {
			if err == nil && f.Event != nil && !scope.Allows(f.Event.TenantID) {
				f = &history.Found{Entry: f.Entry}
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// Count counts events in the index, of tenants in the scope: nil is all of them,
// for who has all.
func (l Log) Count(ctx context.Context, scope access.TenantScope, q *search.Query, g search.Grouping) (*search.Counted, error) {
	_, all := scope.Tenants()
	if q.Tenants == nil && !all {
		return nil, access.ErrForbidden
	}
	for _, t := range q.Tenants {
		if !scope.Allows(t) {
			return nil, access.ErrForbidden
		}
	}
	return l.index.Count(ctx, q, g)
}
