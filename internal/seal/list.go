package seal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"indelible"
)

// Listed are keys of one kind, without a byte of them.
type Listed struct {
	Kind    string        // "tenant key", "names key", "tenant part key", "subject key" or "purpose key"
	Tenant  indelible.Ref // whose
	ID      indelible.ID  // of a tenant key
	Class   string        // retention class, or purpose
	Period  uint32        // yyyymm, or the generation of a purpose key; 0: none
	Live    int
	Gone    int       // destroyed
	Created time.Time // the newest one
}

// List describes all keys, those of a kind, class and month together.
func (k *Keys) List(ctx context.Context) (list []Listed, err error) {
	rows, err := k.db.QueryContext(ctx, `
		SELECT 0, t.no, t.ref, t.id, '', 0, t.wrapped IS NOT NULL, t.wrapped IS NULL, t.created FROM tenants t
		UNION ALL
		SELECT k.kind, t.no, t.ref, NULL, k.class, k.period, sum(k.wrapped IS NOT NULL), sum(k.wrapped IS NULL), max(k.created)
		FROM keys k JOIN tenants t ON t.no = k.tenant GROUP BY k.kind, t.no, k.class, k.period
		ORDER BY 2, 1, 5, 6`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	defer rows.Close()
	names := [...]string{"tenant key", kindNames: "names key", kindTenant: "tenant part key", kindSubject: "subject key", kindPurpose: "purpose key"}
	for rows.Next() {
		var l Listed
		var kind, no int
		var ref []byte
		var id sql.RawBytes
		var created int64
		if err := rows.Scan(&kind, &no, &ref, &id, &l.Class, &l.Period, &l.Live, &l.Gone, &created); err != nil {
			return nil, err
		}
		if kind < 0 || kind >= len(names) {
			return nil, errDamagedRow
		}
		l.Kind, l.Created = names[kind], time.UnixMilli(created).UTC()
		copy(l.Tenant[:], ref)
		copy(l.ID[:], id)
		list = append(list, l)
	}
	return list, rows.Err()
}

// MadeSince counts the keys that have material, and those of them that were made
// after a time: what a copy of the store from then does not hold.
func (k *Keys) MadeSince(ctx context.Context, at time.Time) (since, all int, err error) {
	err = k.db.QueryRowContext(ctx, `
		SELECT coalesce(sum(created > ?1), 0), count(*)
		FROM (SELECT created FROM tenants WHERE wrapped IS NOT NULL UNION ALL SELECT created FROM keys WHERE wrapped IS NOT NULL)`, at.UnixMilli()).Scan(&since, &all)
	if err != nil {
		return 0, 0, fmt.Errorf("count keys: %w", err)
	}
	return since, all, nil
}

// Describe is what the root key says of itself.
func (k *Keys) Describe(ctx context.Context) (Description, error) { return k.opt.Root.Describe(ctx) }
