package indelible

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Formats of evidence files.
const (
	EvidenceFormat     = "indelible/evidence/v1"
	CompletenessFormat = "indelible/completeness/v1"
)

// Evidence proves one leaf, and what of its payload is disclosed, to anybody
// who has the log's verifier key. Nothing in it is believed.
type Evidence struct {
	Format  string          `json:"format"`
	Origin  string          `json:"origin"`
	Index   uint64          `json:"index"`
	Leaf    []byte          `json:"leaf"`
	Payload EvidencePayload `json:"payload"`
	Proof   string          `json:"proof"` // C2SP tlog-proof
}

// EvidencePayload is a payload some parts of which may be withheld.
type EvidencePayload struct {
	Header []byte         `json:"header"`
	Parts  []EvidencePart `json:"parts"`
}

// EvidencePart is a part's bytes, with the keys that open it where they are
// encrypted, or the hash that stands in for them. The hash of an encrypted part
// is one of ciphertext: nothing can be tested against it.
type EvidencePart struct {
	Data   []byte `json:"data,omitempty"`
	Keys   []byte `json:"keys,omitempty"` // PartKeys
	SHA256 *Hash  `json:"sha256,omitempty"`
}

// Completeness proves that a tenant's leaves are all there were, as of a heads leaf.
type Completeness struct {
	Format   string          `json:"format"`
	Origin   string          `json:"origin"`
	TenantID string          `json:"tenant_id"`
	Tenant   EvidencePayload `json:"tenant"` // payload of the tenant leaf, which is leaves[0]
	Leaves   [][]byte        `json:"leaves"`
	Row      Row             `json:"row"`
	Rows     uint64          `json:"rows"`
	RowPath  []Hash          `json:"row_path"`
	Heads    Evidence        `json:"heads"`
}

// Proved is what a piece of evidence proves.
type Proved struct {
	Origin     string
	Index      uint64
	Leaf       Leaf
	Parts      [][]byte // contents of the parts shown
	Withheld   int      // parts not shown
	Event      *Event   // of an event all of whose parts are shown
	Checkpoint string   // the signed tree head it stands on
	Size       uint64   // of its tree
}

// ErrEvidence is wrapped by all errors that say a piece of evidence proves nothing.
var ErrEvidence = errors.New("evidence does not hold")

// ErrEvidenceKey: the evidence is not signed by the key it was checked with.
var ErrEvidenceKey = errors.New("evidence is of another log, or the key is not this log's")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrEvidence, fmt.Sprintf(format, args...))
}

// NewEvidencePayload shows all parts of an encoded payload, or the first
// shown of them, with the hashes of the others. keys are those of the parts in
// order, as far as they are encrypted; one whose keys are missing is not shown.
func NewEvidencePayload(payload []byte, shown int, keys []PartKeys) (EvidencePayload, error) {
	p, err := DecodePayload(payload)
	if err != nil {
		return EvidencePayload{}, err
	}
	e := EvidencePayload{Header: bytes.Clone(p.Header())}
	for i := range p.Parts {
		sealed := p.Parts[i].Alg != AlgNone
		if i < shown && (!sealed || i < len(keys)) {
			part := EvidencePart{Data: bytes.Clone(p.Parts[i].Data)}
			if sealed {
				part.Keys = bytes.Clone(keys[i][:])
			}
			e.Parts = append(e.Parts, part)
			continue
		}
		h := p.Parts[i].Hash()
		e.Parts = append(e.Parts, EvidencePart{SHA256: &h})
	}
	return e, nil
}

// open computes the payload hash and returns the contents of the parts shown.
func (e *EvidencePayload) open(origin string) (h Hash, shown [][]byte, withheld int, err error) {
	p, err := DecodePayloadHeader(e.Header)
	if err != nil {
		return h, nil, 0, bad("%v", err)
	}
	if len(e.Parts) != len(p.Parts) {
		return h, nil, 0, bad("payload has %d parts, its header says %d", len(e.Parts), len(p.Parts))
	}
	binding := PartBinding(origin, e.Header)
	for i, part := range e.Parts {
		switch {
		case part.SHA256 != nil && part.Data == nil && part.Keys == nil:
			p.Parts[i].Withheld = *part.SHA256
			withheld++
		case part.SHA256 == nil && len(part.Data) == p.Parts[i].Length:
			p.Parts[i].Data = part.Data
			content, err := part.open(p, &binding, i)
			if err != nil {
				return h, nil, 0, bad("%v", err)
			}
			shown = append(shown, content)
		default:
			return h, nil, 0, bad("part %d is neither shown nor withheld", i)
		}
	}
	return p.Hash(), shown, withheld, nil
}

// open returns the content of a part that is shown.
func (part *EvidencePart) open(p *Payload, binding *Hash, i int) ([]byte, error) {
	switch {
	case p.Parts[i].Alg == AlgNone && part.Keys == nil:
		return part.Data, nil
	case p.Parts[i].Alg == AlgNone:
		return nil, fmt.Errorf("part %d comes with keys and is not encrypted", i)
	case len(part.Keys) != len(PartKeys{}):
		return nil, fmt.Errorf("part %d is encrypted and comes without its keys", i)
	}
	content, err := p.OpenPart(nil, binding, i, (*PartKeys)(part.Keys))
	if err == nil && i == 0 {
		content, _, err = p.CutSubjectKeys(content)
	}
	return content, err
}

// Check verifies the evidence with a verifier key got from elsewhere.
func (e *Evidence) Check(vkey string) (*Proved, error) {
	origin, _, err := ParseVerifierKey(vkey)
	if err != nil {
		return nil, err
	}
	if e.Format != EvidenceFormat {
		return nil, formatError(e.Format, EvidenceFormat)
	}
	if e.Origin != origin {
		return nil, fmt.Errorf("%w: it is of %q, the key of %q", ErrEvidenceKey, e.Origin, origin)
	}
	p := &Proved{Origin: origin, Index: e.Index}
	if err := p.Leaf.Decode(e.Leaf); err != nil {
		return nil, bad("%v", err)
	}
	h, shown, withheld, err := e.Payload.open(origin)
	if err != nil {
		return nil, err
	}
	if h != p.Leaf.Payload {
		return nil, bad("payload is not the one the leaf commits to")
	}
	p.Parts, p.Withheld = shown, withheld
	if err := p.checkProof(e, vkey); err != nil {
		return nil, err
	}
	if p.Leaf.Kind.Critical() && !p.Leaf.Kind.Known() {
		return nil, fmt.Errorf("leaf of %s: %w", p.Leaf.Kind, ErrNewerFormat)
	}
	if p.Leaf.Kind.Recorded() && withheld == 0 {
		if p.Event, err = EventOfParts(shown...); err != nil {
			return nil, bad("%v", err)
		}
	}
	return p, nil
}

// checkProof verifies the C2SP tlog-proof and that it is for the index the
// evidence names.
func (p *Proved) checkProof(e *Evidence, vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	if err := torchwood.VerifyProof(policy, tlog.Hash(LeafHash(e.Leaf)), []byte(e.Proof)); err != nil {
		var unverified *note.UnverifiedNoteError
		if errors.As(err, &unverified) {
			return fmt.Errorf("%w: %w", ErrEvidenceKey, err)
		}
		return bad("%v", err)
	}
	if !strings.Contains(e.Proof, fmt.Sprintf("\nindex %d\n", e.Index)) {
		return bad("the proof is of another index than %d", e.Index)
	}
	_, signed, found := strings.Cut(e.Proof, "\n\n")
	if !found {
		return bad("the proof holds no checkpoint")
	}
	c, _, err := torchwood.VerifyCheckpoint([]byte(signed), policy)
	if err != nil {
		return bad("%v", err)
	}
	p.Checkpoint, p.Size = signed, uint64(c.N)
	return nil
}

func formatError(got, want string) error {
	if strings.HasPrefix(got, want[:strings.LastIndex(want, "v")+1]) {
		return fmt.Errorf("evidence of format %s: %w", got, ErrNewerFormat)
	}
	return bad("format %q, want %q", got, want)
}

// Check verifies completeness evidence with a verifier key got from elsewhere.
// It proves that the tenant had exactly these leaves in the tree returned.
func (c *Completeness) Check(vkey string) (*Proved, error) {
	if c.Format != CompletenessFormat {
		return nil, formatError(c.Format, CompletenessFormat)
	}
	heads, err := c.Heads.Check(vkey)
	if err != nil {
		return nil, fmt.Errorf("heads leaf: %w", err)
	}
	if c.Origin != heads.Origin {
		return nil, fmt.Errorf("%w: it is of %q, the key of %q", ErrEvidenceKey, c.Origin, heads.Origin)
	}
	if heads.Leaf.Kind != KindHeads || len(heads.Parts) != 1 {
		return nil, bad("the heads leaf is none")
	}
	var table Heads
	if err := json.Unmarshal(heads.Parts[0], &table); err != nil {
		return nil, bad("heads leaf: %v", err)
	}
	if err := c.checkLeaves(); err != nil {
		return nil, err
	}
	root, err := foldPath(c.Row.Hash(), int64(c.Row.TenantNo)-1, int64(table.Rows), c.RowPath, RowNodeHash)
	if err != nil || root != table.Root || c.Rows != table.Rows {
		return nil, bad("the tenant's row is not in the heads table")
	}
	return heads, nil
}

// checkLeaves follows the tenant's chain from its tenant leaf to its row.
func (c *Completeness) checkLeaves() error {
	var previous Hash
	for i, encoded := range c.Leaves {
		var leaf Leaf
		if err := leaf.Decode(encoded); err != nil {
			return bad("leaf %d: %v", i+1, err)
		}
		switch {
		case !leaf.Kind.OfTenant() || (leaf.Kind == KindTenant) != (i == 0):
			return bad("leaf %d is a %s leaf", i+1, leaf.Kind)
		case leaf.TenantNo != c.Row.TenantNo || leaf.TenantSeq != uint64(i)+1 || leaf.Previous != previous:
			return bad("leaf %d does not follow the one before it", i+1)
		}
		previous = LeafHash(encoded)
		if i == 0 {
			if err := c.checkTenant(&leaf, previous); err != nil {
				return err
			}
		}
	}
	if c.Row.TenantSeq != uint64(len(c.Leaves)) || c.Row.Leaf != previous || len(c.Leaves) == 0 {
		return bad("the chain of %d leaves does not end where the tenant's row says", len(c.Leaves))
	}
	return nil
}

func (c *Completeness) checkTenant(leaf *Leaf, h Hash) error {
	payload, shown, withheld, err := c.Tenant.open(c.Origin)
	if err != nil {
		return err
	}
	if payload != leaf.Payload || withheld != 0 || len(shown) != 1 || h != c.Row.Tenant {
		return bad("the tenant leaf is not that of the row")
	}
	var t Tenant
	if err := json.Unmarshal(shown[0], &t); err != nil {
		return bad("tenant leaf: %v", err)
	}
	if t.TenantID != c.TenantID || t.TenantNo != leaf.TenantNo {
		return bad("the leaves are of tenant %q, not %q", t.TenantID, c.TenantID)
	}
	return nil
}
