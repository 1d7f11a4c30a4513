package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

// newer reports whether an error says that a later version of this program
// wrote something: it may be sound, and nobody here can tell.
func newer(err error) bool {
	return errors.Is(err, indelible.ErrNewerFormat) || errors.Is(err, indelible.ErrCriticalField)
}

// damaged turns bytes that cannot be read into tampering, unless a later
// version of this program may have written them.
func damaged(object string, err error) error {
	if newer(err) {
		return fmt.Errorf("%s: %w", object, err)
	}
	return tampered(object, "%v", err)
}

var errVersionChanged = errors.New("its format version was changed")

// ofThisVersion is a structure with this version's number in its prefix: what
// it was if nothing but that was changed.
func ofThisVersion(magic string, b []byte) []byte {
	if len(b) < 6 {
		return b
	}
	return append(indelible.AppendPrefix(nil, magic), b[6:]...)
}

// newerLeaves tells a heads object with leaves of a later version from one
// whose leaves were changed: they are in the tree.
func newerLeaves(ctx context.Context, st store.Store, c *Checkpoint, h *headsObject, err error) error {
	name := headsName(h.Size)
	for _, k := range h.Leaves {
		var leaf indelible.Leaf
		if !newer(leaf.Decode(k.Leaf)) {
			continue
		}
		if k.Index >= c.Size {
			return tampered(name, "holds a leaf %d beyond the tree", k.Index)
		}
		inTree, _, terr := publishedLeaf(ctx, st, c, k.Index)
		if terr != nil {
			return terr
		}
		if !bytes.Equal(inTree, k.Leaf) {
			return tampered(name, "leaf %d is not the one in the tree", k.Index)
		}
	}
	return damaged(name, err)
}
