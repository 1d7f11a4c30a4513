package ledger

import (
	"bytes"
	"context"
	"fmt"

	"filippo.io/torchwood"

	"indelible"
)

// ProveTenant makes the evidence that a tenant's leaves are all there are, as
// of the newest heads leaf. It reads every bundle since the tenant's first leaf.
func (r *Reader) ProveTenant(ctx context.Context, tenantID string, opener Opener) (*indelible.Completeness, error) {
	s, err := loadPublished(ctx, r.st, r.checkpoint)
	if err != nil {
		return nil, err
	}
	no, err := s.findTenant(tenantID, opener)
	if err != nil {
		return nil, err
	}
	first := s.tenants[no-1]
	heads, err := r.Prove(ctx, r.checkpoint.Size-1, 1, nil)
	if err != nil {
		return nil, err
	}
	tenant, err := disclose(first.Payload, 1, opener)
	if err != nil {
		return nil, err
	}
	c := &indelible.Completeness{
		Format: indelible.CompletenessFormat, Origin: r.checkpoint.Origin, TenantID: tenantID, Tenant: tenant,
		Row: s.rows.rows[no-1], Rows: uint64(len(s.rows.rows)), RowPath: s.rows.path(int(no - 1)), Heads: *heads,
	}
	err = r.leavesOf(ctx, first.Index, no, func(_ uint64, leaf []byte) error {
		c.Leaves = append(c.Leaves, bytes.Clone(leaf)) // not the bundle around it
		return nil
	})
	return c, err
}

// findTenant finds the number of a tenant by its name. A tenant that came back
// after erasure has several rows; the latest counts.
func (s *state) findTenant(tenantID string, opener Opener) (uint64, error) {
	var closed error
	for i := len(s.tenants) - 1; i >= 0; i-- {
		t, err := opener.OpenTenant(s.tenants[i].Payload)
		if err == nil && t.TenantID == tenantID {
			return uint64(i) + 1, nil
		}
		if err != nil {
			closed = err
		}
	}
	if closed != nil {
		return 0, fmt.Errorf("tenant %q is none that can be opened: %w", tenantID, closed)
	}
	return 0, fmt.Errorf("%w: tenant %q", ErrNotFound, tenantID)
}

// leavesOf calls each with every leaf of a tenant from index first on.
func (r *Reader) leavesOf(ctx context.Context, first, tenantNo uint64, each func(index uint64, leaf []byte) error) error {
	return r.leaves(ctx, first, func(index uint64, encoded []byte, leaf *indelible.Leaf) error {
		if leaf.TenantNo != tenantNo {
			return nil
		}
		return each(index, encoded)
	})
}

// leaves calls each with every proved leaf from index first on.
func (r *Reader) leaves(ctx context.Context, first uint64, each func(index uint64, encoded []byte, leaf *indelible.Leaf) error) error {
	hashes := treeReader(ctx, r.st, r.checkpoint)
	for at := first; at < r.checkpoint.Size; {
		n := at / torchwood.TileWidth
		w := min(r.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth)
		b, err := r.bundle(ctx, hashes, n, int(w))
		if err != nil {
			return err
		}
		var leaf indelible.Leaf
		for ; at < n*torchwood.TileWidth+w; at++ {
			encoded := bundleEntry(b, at)
			if err := leaf.Decode(encoded); err != nil {
				return damaged(fmt.Sprintf("leaf %d", at), err)
			}
			if err := each(at, encoded, &leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// Match is where an event id was found.
type Match struct {
	Index    uint64
	TenantID string
}

// Find looks an event id up, in one tenant or in all. With the id-key it
// compares references; without it, it has to read every payload.
func (r *Reader) Find(ctx context.Context, eventID, tenantID string, idKey *[32]byte, opener Opener) ([]Match, error) {
	s, err := loadPublished(ctx, r.st, r.checkpoint)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(s.tenants))
	var closed error // why a tenant could not be looked into
	wanted := make(map[indelible.Ref]string)
	first := r.checkpoint.Size
	for i, k := range s.tenants {
		t, err := opener.OpenTenant(k.Payload)
		if err != nil {
			closed = err
		}
		if err != nil || tenantID != "" && t.TenantID != tenantID {
			continue
		}
		names[i] = t.TenantID
		first = min(first, k.Index)
		if idKey != nil {
			key := indelible.TenantKey(idKey, (*[32]byte)(&t.Salt))
			wanted[indelible.EventRef(&key, eventID)] = t.TenantID
		}
	}
	var found []Match
	err = r.leaves(ctx, first, func(index uint64, encoded []byte, leaf *indelible.Leaf) error {
		if !leaf.Kind.Recorded() || leaf.TenantNo == 0 || leaf.TenantNo > uint64(len(names)) || names[leaf.TenantNo-1] == "" {
			return nil
		}
		if idKey != nil {
			if _, ok := wanted[leaf.EventRef]; !ok {
				return nil
			}
		} else {
			e, err := r.fromBundle(ctx, encoded, index)
			if err != nil {
				return err
			}
			if e.Payload == nil {
				return nil
			}
			if _, id, err := opener.EventIdentity(e.Payload); err != nil || string(id) != eventID {
				return nil
			}
		}
		found = append(found, Match{index, names[leaf.TenantNo-1]})
		return nil
	})
	if err == nil && len(found) == 0 && closed != nil {
		return nil, fmt.Errorf("event %s is in no tenant that can be opened: %w", eventID, closed)
	}
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: event %s", ErrNotFound, eventID)
	}
	return found, err
}
