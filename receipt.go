package indelible

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// MergeWithin is how long after its receipt a record may take to be in the log.
const MergeWithin = 24 * time.Hour

// Durability of an acknowledged record.
const (
	DurableJournal = "journal" // survives a crash or power loss, not the loss of the disk
	DurableStore   = "store"   // in the store, at its place in the log
)

// Receipt is the answer to a recorded event. The promise is what can be held
// against the writer; the other members say where the event stands.
type Receipt struct {
	ID         string   `json:"id"`
	TenantID   string   `json:"tenant_id"`
	AuditHash  string   `json:"audit_hash"`
	Durability string   `json:"durability"`
	Repeat     bool     `json:"repeat,omitempty"`   // the event was in the log already
	Conflict   bool     `json:"conflict,omitempty"` // its id was taken by other content; kept as a conflict
	Index      *uint64  `json:"index,omitempty"`
	LeafHash   *Hash    `json:"leaf_hash,omitempty"`
	Segment    *uint64  `json:"segment,omitempty"`
	Promise    *Promise `json:"promise,omitempty"`
}

// Promise is a writer's signed word that a record will be in the log.
type Promise struct {
	Origin      string    `json:"origin"`
	LogID       ID        `json:"log_id"`
	EventRef    Ref       `json:"event_ref"`
	PayloadHash Hash      `json:"payload_hash"`
	Journal     ID        `json:"journal"`
	Group       uint64    `json:"group"`
	Ordinal     uint32    `json:"ordinal"`
	Records     uint32    `json:"records"`
	Time        int64     `json:"time"`
	MergeBy     int64     `json:"merge_by"`
	Path        []Hash    `json:"path"`
	Signature   Signature `json:"signature"`
	Writer      Writer    `json:"writer"`
}

// RecordMessageSize is the size of what a record hash is of.
const RecordMessageSize = 1 + 16 + HashSize + 4

// AppendRecordMessage appends what a record hash is of, for hashing in numbers.
func AppendRecordMessage(dst []byte, ref Ref, payload Hash, ordinal uint32) []byte {
	dst = append(append(append(dst, 0), ref[:]...), payload[:]...)
	return binary.BigEndian.AppendUint32(dst, ordinal)
}

// RecordHash is the hash of a record as a leaf of its fsync group's tree.
func RecordHash(ref Ref, payload Hash, ordinal uint32) Hash {
	var buf [RecordMessageSize]byte
	return sha256.Sum256(AppendRecordMessage(buf[:0], ref, payload, ordinal))
}

// Verify checks a promise against the log key: that the writer is endorsed and
// signed for this record. Whether the promise was kept only the log can tell. A
// writer the key does not endorse is ErrEvidenceKey.
func (p *Promise) Verify(logKey PublicKey) error {
	if p.MergeBy != p.Time+MergeWithin.Milliseconds() {
		return fmt.Errorf("receipt: merge_by is not %s after time", MergeWithin)
	}
	if err := p.Writer.Verify(logKey, p.Origin, p.LogID); err != nil {
		return fmt.Errorf("receipt: %w: %w", err, ErrEvidenceKey)
	}
	if p.Ordinal >= p.Records || len(p.Path) > 32 {
		return errors.New("receipt: ordinal and path do not fit the group")
	}
	root, err := pathRoot(RecordHash(p.EventRef, p.PayloadHash, p.Ordinal), int64(p.Ordinal), int64(p.Records), p.Path)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	message := ReceiptMessage(p.LogID, p.Journal, p.Group, p.Time, root)
	if !ed25519.Verify(p.Writer.Key[:], message, p.Signature[:]) {
		return errors.New("receipt: signature does not verify")
	}
	return nil
}

// pathRoot folds an RFC 6962 audit path into the root it leads to.
func pathRoot(h Hash, n, size int64, path []Hash) (Hash, error) {
	return foldPath(h, n, size, path, func(l, r Hash) Hash { return Hash(tlog.NodeHash(tlog.Hash(l), tlog.Hash(r))) })
}

// foldPath follows RFC 9162 section 2.1.3.2: the root of a tree of the given
// size in which h is leaf n, under the node hash given.
func foldPath(h Hash, n, size int64, path []Hash, node func(l, r Hash) Hash) (Hash, error) {
	if n < 0 || n >= size {
		return Hash{}, errors.New("index outside the tree")
	}
	fn, sn := n, size-1
	for _, p := range path {
		if sn == 0 {
			return Hash{}, errors.New("path is too long")
		}
		if fn&1 == 1 || fn == sn {
			h = node(p, h)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			h = node(h, p)
		}
		fn >>= 1
		sn >>= 1
	}
	if sn != 0 {
		return Hash{}, errors.New("path is too short")
	}
	return h, nil
}
