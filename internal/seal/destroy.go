package seal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"indelible"
)

// Fenced are keys that a fence leaf of the log destroys.
type Fenced struct {
	Index uint64 // of the leaf
	At    time.Time
	Keys  []indelible.ID // data keys, or the key of a tenant
	// Erased says that these are all keys of somebody who is to stay erased, as
	// the leaf names them; nil: the time of the keys was over.
	Erased *indelible.Erase
	// Readmitted is a person, erased before, who gets keys again from here on.
	Readmitted *indelible.Erase
}

// erasedRef is a person who was erased, as a fence names them.
type erasedRef struct{ tenant, subject indelible.Ref }

// ErasableSubject lists the live keys of a person: what a fence must name.
func (k *Keys) ErasableSubject(ctx context.Context, ref indelible.Ref, subject string) ([]indelible.ID, error) {
	t, err := k.lookUp(ctx, ref)
	if t == nil || err != nil {
		return nil, err
	}
	token := t.token(subject)
	return k.list(ctx, `SELECT id FROM keys WHERE tenant = ? AND kind = ? AND subject = ? AND wrapped IS NOT NULL ORDER BY id`, t.no, kindSubject, token[:])
}

// ErasableTenant is the key of a tenant, under which all its other keys are
// wrapped: what a fence must name.
func (k *Keys) ErasableTenant(ctx context.Context, ref indelible.Ref) ([]indelible.ID, error) {
	return k.list(ctx, `SELECT id FROM tenants WHERE ref = ? AND wrapped IS NOT NULL`, ref[:])
}

// Expirable lists the live keys of a retention class from one month, as yyyymm,
// of all tenants.
func (k *Keys) Expirable(ctx context.Context, class string, period uint32) ([]indelible.ID, error) {
	return k.list(ctx, `SELECT k.id FROM tenants t JOIN keys k ON k.tenant = t.no AND k.kind IN (2, 3) AND k.class = ? AND k.period = ? AND k.wrapped IS NOT NULL ORDER BY k.id`, class, period)
}

// Periods lists the months from which a class has live keys, as yyyymm.
func (k *Keys) Periods(ctx context.Context, class string) (periods []uint32, err error) {
	rows, err := k.db.QueryContext(ctx, `SELECT DISTINCT period FROM keys WHERE class = ? AND kind IN (2, 3) AND wrapped IS NOT NULL ORDER BY period`, class)
	if err != nil {
		return nil, fmt.Errorf("list periods: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p uint32
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		periods = append(periods, p)
	}
	return periods, rows.Err()
}

// lookUp finds a tenant without making a key for it; nil if it has none.
func (k *Keys) lookUp(ctx context.Context, ref indelible.Ref) (*tenant, error) {
	if err := k.flush(ctx); err != nil {
		return nil, err
	}
	ids, err := k.ErasableTenant(ctx, ref)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tenantFor(ctx, ref)
}

// list returns key ids. Keys that are on their way to the disk are there first.
func (k *Keys) list(ctx context.Context, query string, args ...any) (ids []indelible.ID, err error) {
	if err := k.flush(ctx); err != nil {
		return nil, err
	}
	rows, err := k.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if len(b) != len(indelible.ID{}) {
			return nil, errDamagedRow
		}
		ids = append(ids, indelible.ID(b))
	}
	return ids, rows.Err()
}

// FencedTo is the size of the tree up to which fences were applied.
func (k *Keys) FencedTo() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fencedTo
}

// ApplyFences destroys what fences name, in the order of the log: those of the
// tree up to size that were not applied yet. One that was is passed over, for
// since then its person may have been readmitted and have keys. The material is gone from the file and from this
// process when it returns. From then on keys open what was sealed with them.
func (k *Keys) ApplyFences(ctx context.Context, size uint64, fences []Fenced) error {
	if len(fences) > 0 && !k.opt.ReadOnly {
		if err := k.flush(ctx); err != nil {
			return err
		}
		if err := k.destroy(ctx, max(size, k.FencedTo()), fences); err != nil {
			return fmt.Errorf("destroy keys: %w", err)
		}
	}
	k.mu.Lock()
	if len(fences) > 0 {
		k.forget(fences)
	}
	k.fencedTo = max(k.fencedTo, size)
	k.mu.Unlock()
	k.replayed.Store(true)
	return nil
}

// forget drops unwrapped keys; the caller holds k.mu. It drops all of them:
// fences are rare, and a key is soon unwrapped again.
func (k *Keys) forget(fences []Fenced) {
	k.sealing.clear()
	k.opening.clear()
	k.present, k.presentCount = make(present), 0
	k.tenants, k.byNo = make(map[indelible.Ref]*tenant), make(map[int64]*tenant)
	if k.opt.ReadOnly {
		for _, f := range fences {
			for _, id := range f.Keys {
				k.fenced[id] = f
			}
			if f.Erased != nil && f.Erased.Subject != nil {
				k.refs[erasedRef{f.Erased.Tenant, *f.Erased.Subject}] = true
			}
			if f.Readmitted != nil {
				k.refs[erasedRef{f.Readmitted.Tenant, *f.Readmitted.Subject}] = false
			}
		}
	}
}

func (k *Keys) destroy(ctx context.Context, size uint64, fences []Fenced) (err error) {
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ignoreDone(tx.Rollback())
		}
	}()
	var applied int64
	if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'fenced_to'`).Scan(&applied); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, readmittedTable); err != nil {
		return err
	}
	for i := range fences {
		if fences[i].Index < uint64(applied) {
			continue
		}
		if err := k.destroyFenced(ctx, tx, &fences[i]); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, setFencedTo, int64(size)); err != nil {
		return err
	}
	erased, err := loadErased(ctx, tx)
	if err != nil {
		return err
	}
	refs, err := loadErasedRefs(ctx, tx)
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	k.mu.Lock()
	k.erased, k.refs, k.keptTo = erased, refs, size
	k.mu.Unlock()
	return k.clearChanges(ctx)
}

// clearChanges empties SQLite's log of changes, which may still hold material
// that was destroyed.
func (k *Keys) clearChanges(ctx context.Context) error {
	var busy, a, b int
	if err := k.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &a, &b); err != nil {
		return err
	}
	if busy != 0 {
		return fmt.Errorf("the key store is being read; its old pages could not be cleared: %w", ErrBusy)
	}
	return nil
}

// setFencedTo never goes back: another process may have applied more.
const setFencedTo = `UPDATE meta SET value = max(value, ?) WHERE name = 'fenced_to'`

// readmittedTable holds those of erased_refs who get keys again.
const readmittedTable = `CREATE TABLE IF NOT EXISTS readmitted (tenant BLOB NOT NULL, subject BLOB NOT NULL, PRIMARY KEY (tenant, subject)) WITHOUT ROWID`

func (k *Keys) destroyFenced(ctx context.Context, tx *sql.Tx, f *Fenced) error {
	at := f.At.UnixMilli()
	for _, id := range f.Keys {
		no := k.numbers.row(id)
		if f.Erased != nil && f.Erased.Subject != nil {
			if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO erased (tenant, subject, at) SELECT tenant, subject, ? FROM keys WHERE no = ? AND id = ? AND kind = ?`, at, no, id[:], kindSubject); err != nil {
				return err
			}
		}
		known := false
		// All keys of a person, also one made since the fence was written.
		if f.Erased != nil && f.Erased.Subject != nil {
			if _, err := tx.ExecContext(ctx, `UPDATE keys SET wrapped = NULL, destroyed = ?, fence = ? WHERE wrapped IS NOT NULL AND (tenant, subject) IN (SELECT tenant, subject FROM keys WHERE no = ? AND id = ? AND kind = ?)`,
				at, int64(f.Index), no, id[:], kindSubject); err != nil {
				return err
			}
		}
		for _, query := range []string{
			`UPDATE keys SET wrapped = NULL, destroyed = coalesce(destroyed, ?), fence = coalesce(fence, ?) WHERE id = ? AND no = ?4`,
			`UPDATE keys SET wrapped = NULL, destroyed = coalesce(destroyed, ?), fence = coalesce(fence, ?) WHERE tenant = (SELECT no FROM tenants WHERE id = ? AND ?4 IS NOT NULL)`,
			`UPDATE tenants SET wrapped = NULL, destroyed = coalesce(destroyed, ?), fence = coalesce(fence, ?) WHERE id = ? AND ?4 IS NOT NULL`,
		} {
			r, err := tx.ExecContext(ctx, query, at, int64(f.Index), id[:], no)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			known = known || n > 0
		}
		if !known {
			if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO fenced (id, at, fence) VALUES (?, ?, ?)`, id[:], at, int64(f.Index)); err != nil {
				return err
			}
		}
	}
	if e := f.Erased; e != nil && e.Subject != nil {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO erased_refs VALUES (?, ?)`, e.Tenant[:], e.Subject[:]); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM readmitted WHERE tenant = ? AND subject = ?`, e.Tenant[:], e.Subject[:])
		return err
	}
	if r := f.Readmitted; r != nil {
		_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO readmitted VALUES (?, ?)`, r.Tenant[:], r.Subject[:])
		return err
	}
	return nil
}

// barred reports whether a person gets no key: was erased, and not readmitted.
// The caller holds k.mu.
func (k *Keys) barred(tenant indelible.Ref, subject *Subject) bool {
	return len(k.refs) > 0 && k.refs[erasedRef{tenant, subject.Ref()}]
}

// Barred reports whether a person of a tenant was erased, and gets no key again.
func (k *Keys) Barred(tenant, subject indelible.Ref) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refs[erasedRef{tenant, subject}]
}

// ErasedSubjects are the persons of a tenant who were erased, as the fences of
// the log name them. There is no answer before those were applied.
func (k *Keys) ErasedSubjects(ref indelible.Ref) (map[indelible.Ref]bool, error) {
	if !k.replayed.Load() {
		return nil, ErrNotReady
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	subjects := make(map[indelible.Ref]bool)
	for r := range k.refs {
		if r.tenant == ref {
			subjects[r.subject] = true
		}
	}
	return subjects, nil
}

// keepFencedTo writes down how far fences were applied, so that the next
// process does not look for them again.
func (k *Keys) keepFencedTo(ctx context.Context) error {
	if k.fencedTo <= k.keptTo {
		return nil
	}
	_, err := k.db.ExecContext(ctx, setFencedTo, int64(k.fencedTo))
	if err != nil {
		return fmt.Errorf("note how far fences were applied: %w", err)
	}
	k.keptTo = k.fencedTo
	return nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func loadErased(ctx context.Context, db querier) (map[erasedSubject]bool, error) {
	rows, err := db.QueryContext(ctx, `SELECT tenant, subject FROM erased`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	erased := make(map[erasedSubject]bool)
	for rows.Next() {
		var e erasedSubject
		var subject []byte
		if err := rows.Scan(&e.tenant, &subject); err != nil {
			return nil, err
		}
		copy(e.subject[:], subject)
		erased[e] = true
	}
	return erased, rows.Err()
}

// loadErasedRefs reads who was erased, and with false who was readmitted since.
func loadErasedRefs(ctx context.Context, db querier) (map[erasedRef]bool, error) {
	refs := make(map[erasedRef]bool)
	if err := loadRefs(ctx, db, refs, true, `SELECT tenant, subject FROM erased_refs`); err != nil {
		return nil, err
	}
	err := loadRefs(ctx, db, refs, false, `SELECT tenant, subject FROM readmitted`)
	if err != nil && strings.Contains(err.Error(), "no such table") {
		err = nil // nobody ever was
	}
	return refs, err
}

func loadRefs(ctx context.Context, db querier, refs map[erasedRef]bool, barred bool, query string) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var tenant, subject []byte
		if err := rows.Scan(&tenant, &subject); err != nil {
			return err
		}
		var r erasedRef
		copy(r.tenant[:], tenant)
		copy(r.subject[:], subject)
		refs[r] = barred
	}
	return rows.Err()
}

// thrownAway is a key for something new of a person who was erased: it is kept
// nowhere, and that it was needed is counted. The caller holds k.mu.
func (k *Keys) thrownAway(e erasedSubject) *DataKey {
	d := &DataKey{}
	rand.Read(d.Key[:])
	k.thrown[e]++
	return d
}
