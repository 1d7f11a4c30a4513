package seal

import (
	"context"
	"crypto/rand"
	"database/sql"

	"indelible"
)

func loadErased(ctx context.Context, db *sql.DB) (map[erasedSubject]bool, error) {
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

// thrownAway is a key for something new of a person who was erased: it is kept
// nowhere, and that it was needed is counted. The caller holds k.mu.
func (k *Keys) thrownAway(e erasedSubject) (*DataKey, error) {
	d := &DataKey{}
	rand.Read(d.Key[:])
	k.thrown[e]++
	return d, nil
}

// Replayed says that the fences of the log up to this size were applied: from
// then on keys open what was sealed with them.
func (k *Keys) Replayed(size uint64) { k.replayed.Store(true) }

var _ = indelible.ID{}
