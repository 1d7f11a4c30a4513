package seal

import (
	"context"
	"fmt"

	"indelible"
)

// present knows which persons have a key already, of a tenant, class and month:
// for a new one the disk need not be asked.
type present map[slot]map[indelible.ID]struct{}

// maxPresent is for how many persons this is known, in all.
const maxPresent = 1_000_000

// group is the slot of all persons of a tenant, class and month.
func (s slot) group() slot {
	s.subject = indelible.ID{}
	return s
}

// absentSubject reports whether a slot certainly has no key on the disk. The
// caller holds k.mu.
func (k *Keys) absentSubject(ctx context.Context, s slot) (bool, error) {
	g := s.group()
	tokens, ok := k.present[g]
	if !ok {
		var err error
		if tokens, err = k.readPresent(ctx, g); err != nil {
			return false, err
		}
		k.present[g] = tokens
	}
	if tokens == nil {
		return false, nil // too many: the disk knows
	}
	_, there := tokens[s.subject]
	return !there, nil
}

func (k *Keys) readPresent(ctx context.Context, g slot) (map[indelible.ID]struct{}, error) {
	tokens := make(map[indelible.ID]struct{})
	rows, err := k.db.QueryContext(ctx, `SELECT subject FROM keys WHERE tenant = ? AND kind = ? AND period = ? AND class = ? AND wrapped IS NOT NULL LIMIT ?`,
		g.tenant, g.kind, g.period, g.class, maxPresent+1)
	if err != nil {
		return nil, fmt.Errorf("read who has a key: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		var id indelible.ID
		copy(id[:], b)
		tokens[id] = struct{}{}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	k.presentCount += len(tokens)
	if k.presentCount > maxPresent {
		k.presentCount -= len(tokens)
		return nil, nil
	}
	return tokens, nil
}

// nowPresent notes a new key. The caller holds k.mu.
func (k *Keys) nowPresent(s slot) {
	g := s.group()
	tokens := k.present[g]
	if tokens == nil {
		return
	}
	tokens[s.subject] = struct{}{}
	if k.presentCount++; k.presentCount > maxPresent {
		k.presentCount -= len(tokens)
		k.present[g] = nil
	}
}
