package seal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"indelible"
)

// batch gathers new keys, so that all who wait for theirs share one transaction
// and one fsync.
type batch struct {
	mu      sync.Mutex
	changed sync.Cond
	rows    []row
	made    uint64 // keys handed out
	durable uint64 // of these
	writing bool
	inserts []*sql.Stmt // one for each of insertSizes; only who writes uses them
}

func (b *batch) init() { b.changed.L = &b.mu }

func (b *batch) add(r row) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
	b.made++
	return b.made
}

// Durable returns once the keys made up to this one are safe on the disk.
// Nothing sealed with a key may be acknowledged before.
func (k *Keys) Durable(ctx context.Context, made uint64) error {
	b := &k.batch
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.durable < made {
		if b.writing {
			b.changed.Wait()
			continue
		}
		if err := k.writeBatch(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keys) flush(ctx context.Context) error {
	k.batch.mu.Lock()
	made := k.batch.made
	k.batch.mu.Unlock()
	return k.Durable(ctx, made)
}

// writeBatch writes what has gathered. The caller holds the batch's lock, which
// is free while it writes. What cannot be written waits for the next attempt:
// somebody may have sealed with it.
func (k *Keys) writeBatch(ctx context.Context) error {
	b := &k.batch
	rows := b.rows
	b.rows, b.writing = nil, true
	b.mu.Unlock()

	k.mu.Lock()
	thrown := k.thrown
	k.thrown = make(map[erasedSubject]int)
	k.mu.Unlock()
	err := k.insert(ctx, rows, thrown)
	k.mu.Lock()
	for i := range rows {
		if err == nil {
			delete(k.fresh, rows[i].slot)
		}
	}
	for e, n := range thrown {
		if err != nil {
			k.thrown[e] += n
		}
	}
	k.mu.Unlock()

	b.mu.Lock()
	b.writing = false
	if err == nil {
		b.durable += uint64(len(rows))
	} else {
		b.rows = append(rows, b.rows...)
	}
	b.changed.Broadcast()
	return err
}

// insertSizes are how many rows a statement inserts; each is prepared once.
var insertSizes = [...]int{128, 16, 1}

// A row that is there already can only be a mistake: the transaction ends with
// it, so that the statement need not be able to undo itself.
func insertStatement(n int) string {
	return `INSERT OR FAIL INTO keys (no, id, tenant, kind, period, class, subject, wrapped, created) VALUES ` +
		strings.TrimSuffix(strings.Repeat(`(?,?,?,?,?,?,?,?,?),`, n), ",")
}

func (k *Keys) insert(ctx context.Context, rows []row, thrown map[erasedSubject]int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep new keys: %w", err)
		}
	}()
	if k.inserts == nil {
		for _, n := range insertSizes {
			st, err := k.db.PrepareContext(ctx, insertStatement(n))
			if err != nil {
				return err
			}
			k.inserts = append(k.inserts, st)
		}
	}
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}()
	args := make([]any, 0, 9*insertSizes[0])
	for i, n := range insertSizes {
		if len(rows) < n {
			continue
		}
		statement := tx.StmtContext(ctx, k.inserts[i])
		for ; len(rows) >= n; rows = rows[n:] {
			args = args[:0]
			for i := range rows[:n] {
				r := &rows[i]
				args = append(args, r.no, r.id[:], r.tenant, int64(r.kind), int64(r.period), r.class, r.subject[:], r.wrapped, r.created)
			}
			if _, err := statement.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	for e, n := range thrown {
		if _, err := tx.ExecContext(ctx, `UPDATE erased SET later = later + ? WHERE tenant = ? AND subject = ?`, n, e.tenant, e.subject[:]); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// erasedSubject is a person whose keys were destroyed.
type erasedSubject struct {
	tenant  int64
	subject indelible.ID
}
