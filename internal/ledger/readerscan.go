package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"filippo.io/torchwood"

	"indelible"
)

// Tenants returns the names of all tenants as of the checkpoint; that of tenant
// number n stands at n−1. A name that cannot be opened is empty.
func (r *Reader) Tenants(ctx context.Context, opener Opener) ([]string, error) {
	s, err := loadPublished(ctx, r.st, r.checkpoint)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(s.tenants))
	for i, k := range s.tenants {
		if t, err := opener.OpenTenant(k.Payload); err == nil {
			names[i] = t.TenantID
		}
	}
	return names, nil
}

// fewEntries is up to how many payloads are read one by one; more are read
// with their whole segments.
const fewEntries = 32

// Newest yields the newest n leaves that keep accepts, oldest first. It reads
// bundles from the end of the log until it has them, and payloads of those only.
func (r *Reader) Newest(ctx context.Context, n int, keep func(*indelible.Leaf) bool) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		found, err := r.newest(ctx, n, keep)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range found {
			if len(found) <= fewEntries {
				if e.Payload, err = r.payload(ctx, &e.Leaf, e.Index); err != nil {
					err = r.removed(ctx, e, err)
				}
			} else {
				e, err = r.fromBundle(ctx, e.Encoded, e.Index)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) newest(ctx context.Context, n int, keep func(*indelible.Leaf) bool) ([]*Entry, error) {
	hashes := treeReader(ctx, r.st, r.checkpoint)
	var found []*Entry
	for end := r.checkpoint.Size; end > 0 && len(found) < n; {
		at := (end - 1) / torchwood.TileWidth
		b, err := r.bundle(ctx, hashes, at, int(end-at*torchwood.TileWidth))
		if err != nil {
			return nil, err
		}
		for end > at*torchwood.TileWidth && len(found) < n {
			end--
			e := &Entry{Index: end, Encoded: bundleEntry(b, end)}
			if err := e.Leaf.Decode(e.Encoded); err != nil {
				return nil, damaged(fmt.Sprintf("leaf %d", end), err)
			}
			if keep(&e.Leaf) {
				e.Encoded = bytes.Clone(e.Encoded)
				found = append(found, e)
			}
		}
	}
	slices.Reverse(found)
	return found, nil
}

// bundleEntry is the leaf with this index in its bundle.
func bundleEntry(bundle []byte, index uint64) []byte {
	i := int(index%torchwood.TileWidth) * leafEntry
	return bundle[i+2 : i+leafEntry]
}

// Since yields the leaves from index first on that keep accepts, in order.
func (r *Reader) Since(ctx context.Context, first uint64, keep func(*indelible.Leaf) bool) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		err := r.leaves(ctx, first, func(index uint64, encoded []byte, leaf *indelible.Leaf) error {
			if !keep(leaf) {
				return nil
			}
			e, err := r.fromBundle(ctx, encoded, index)
			if err != nil {
				return err
			}
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(nil, err)
		}
	}
}

// TenantRow is the number of the tenant with a reference, and the index of its
// first leaf, as of the checkpoint.
func (r *Reader) TenantRow(ctx context.Context, ref indelible.Ref) (no, first uint64, err error) {
	s, err := r.decided(ctx)
	if err != nil {
		return 0, 0, err
	}
	no, there := s.byRef[ref]
	if !there {
		return 0, 0, fmt.Errorf("%w: no such tenant", ErrNotFound)
	}
	return no, s.tenants[no-1].Index, nil
}

// TenantSalt is the salt of the tenant with a reference, under the checkpoint.
func (r *Reader) TenantSalt(ctx context.Context, ref indelible.Ref, opener Opener) (salt [32]byte, err error) {
	s, err := r.decided(ctx)
	if err != nil {
		return salt, err
	}
	no, there := s.byRef[ref]
	if !there {
		return salt, fmt.Errorf("%w: no such tenant", ErrNotFound)
	}
	t, err := opener.OpenTenant(s.tenants[no-1].Payload)
	return t.Salt, err
}
