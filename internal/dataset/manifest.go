package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"indelible"
)

// ManifestFormat is the format of manifests this program writes.
const ManifestFormat = "indelible/dataset/v1"

// Manifest says what a dataset is. Its version is the SHA-256 of the canonical
// form (RFC 8785) of the member dataset; run says how it was made, and is no
// part of the version. docs/format.md describes each member.
type Manifest struct {
	Format  string         `json:"format"`
	Version indelible.Hash `json:"version"`
	Dataset Dataset        `json:"dataset"`
	Run     Run            `json:"run"`
}

// Dataset is what the version is the hash of. It holds no address, user or
// password of a database.
type Dataset struct {
	Chain           *Link         `json:"chain,omitempty"`
	RunID           string        `json:"run_id"`
	ExportTimestamp Timestamp     `json:"export_timestamp"`
	RowSchema       int           `json:"row_schema"`
	Spec            Spec          `json:"spec"`
	Source          Source        `json:"source"`
	Schema          []SchemaField `json:"schema"`
	Masks           Masks         `json:"masks"`
	KAnonymity      *Grouped      `json:"k_anonymity,omitempty"`

	Rows          uint64         `json:"rows"`
	MinTime       *Timestamp     `json:"min_time,omitempty"` // of the time column
	MaxTime       *Timestamp     `json:"max_time,omitempty"`
	ContentDigest indelible.Hash `json:"content_digest"` // of the rows without _export_*, in the order of files
	Tenants       []Tenant       `json:"tenants"`
	Files         []DataFile     `json:"files"`
	Documents     []Document     `json:"documents,omitempty"`
}

// Link is a manifest's place in a chain.
type Link struct {
	Name     string          `json:"name"`
	Sequence uint64          `json:"sequence"`           // from 1
	Previous *indelible.Hash `json:"previous,omitempty"` // version of the link before
	From     json.RawMessage `json:"from,omitempty"`     // the cursor this link began at
	Cursor   json.RawMessage `json:"cursor"`             // where the next begins
	Resync   bool            `json:"resync,omitempty"`
	Repeats  uint64          `json:"repeats,omitempty"` // rows read again unchanged, and left out
	// Recent are the rows of this link that the next may read again: the first
	// 16 bytes of SHA-256 of each row's content. Only without revisions.
	Recent *Document `json:"recent,omitempty"`
}

// Source says where the rows came from.
type Source struct {
	Kind       string `json:"kind"`
	Version    string `json:"version"`
	Table      string `json:"table"`
	Sample     bool   `json:"sample,omitempty"`
	Isolation  string `json:"isolation"`
	Guarantee  string `json:"guarantee"`
	Revision   bool   `json:"revision"`
	NullCursor uint64 `json:"null_cursor,omitempty"`
}

// Masks say what was done about personal data.
type Masks struct {
	Mode          string            `json:"mode"`                     // "none", or what the masker calls it
	PolicyVersion string            `json:"policy_version,omitempty"` //
	KeyIDs        []string          `json:"key_ids,omitempty"`
	Counts        map[string]uint64 `json:"counts,omitempty"`
	Columns       map[string]string `json:"columns,omitempty"`      // what is done to which column
	NotDetected   []string          `json:"not_detected,omitempty"` // what may still be there, in words
}

// Tenant counts the rows of one tenant.
type Tenant struct {
	TenantID      string          `json:"tenant_id"`
	Rows          uint64          `json:"rows"`
	ContentDigest *indelible.Hash `json:"content_digest,omitempty"` // where the tenant was read for itself
}

// DataFile is a file with rows. SHA256 and Bytes are of the file as it lies
// there; the uncompressed ones of the same before compression and encryption.
type DataFile struct {
	Path               string         `json:"path"`
	TenantID           string         `json:"tenant_id,omitempty"`
	Rows               uint64         `json:"rows"`
	Bytes              uint64         `json:"bytes"`
	SHA256             indelible.Hash `json:"sha256"`
	UncompressedBytes  uint64         `json:"uncompressed_bytes"`
	UncompressedSHA256 indelible.Hash `json:"uncompressed_sha256"`
	MinTime            *Timestamp     `json:"min_time,omitempty"`
	MaxTime            *Timestamp     `json:"max_time,omitempty"`
}

// Document is a small file that goes with the data.
type Document struct {
	Path   string         `json:"path"`
	Bytes  uint64         `json:"bytes"`
	SHA256 indelible.Hash `json:"sha256"`
}

// Run says how a dataset was made.
type Run struct {
	Build    string    `json:"build"`
	Started  Timestamp `json:"started"`
	Finished Timestamp `json:"finished"`
	Attempt  int       `json:"attempt"`
	Jobs     int       `json:"jobs"`
	// CountingMS is how long the first of two passes took, in milliseconds.
	CountingMS int64 `json:"counting_ms,omitempty"`
}

// Timestamp is a moment in UTC, to the microsecond.
type Timestamp struct{ time.Time }

func timestampOf(t time.Time) Timestamp { return Timestamp{t.UTC().Truncate(time.Microsecond)} }

// MarshalText writes RFC 3339.
func (t Timestamp) MarshalText() ([]byte, error) {
	var c clock
	return c.append(nil, t.UnixMicro()), nil
}

// MarshalJSON writes RFC 3339, as rows have it.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	b, err := t.MarshalText()
	return append(append([]byte{'"'}, b...), '"'), err
}

func (t Timestamp) String() string { b, _ := t.MarshalText(); return string(b) }

// versionOf computes a dataset's version.
func versionOf(d *Dataset) (indelible.Hash, error) {
	b, err := canonical(d)
	return indelible.Hash(sha256.Sum256(b)), err
}

// canonical is the canonical form of an object with ASCII names. It is put
// together of the forms of its members, and of the elements of its lists: the
// whole may be larger than what can be canonicalised at once.
func canonical(v any) ([]byte, error) {
	b, err := marshal(v, "")
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	out := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), `":`...)
		if out, err = appendCanonical(out, members[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(out, '}'), nil
}

func appendCanonical(dst []byte, value json.RawMessage) (_ []byte, err error) {
	if value[0] != '[' {
		return indelible.AppendCanonicalJSON(dst, value)
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(value, &elements); err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = indelible.AppendCanonicalJSON(dst, e); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// marshal is json.Marshal without changing the letters < > &.
func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// encode seals the version and returns the manifest's bytes.
func (m *Manifest) encode() ([]byte, error) {
	m.Format = ManifestFormat
	v, err := versionOf(&m.Dataset)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m.Version = v
	return marshal(m, "  ")
}

// ErrDamaged: a dataset is not what was written.
var ErrDamaged = errors.New("the dataset was changed")

// parseManifest reads a manifest strictly: it must be, byte for byte, what
// this program writes, and its version must be the hash of its dataset.
func parseManifest(b []byte) (*Manifest, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%w: the manifest is no JSON: %v", ErrDamaged, err)
	}
	if head.Format != ManifestFormat {
		if len(head.Format) > len("indelible/dataset/v") && head.Format[:len("indelible/dataset/v")] == "indelible/dataset/v" {
			return nil, fmt.Errorf("manifest of format %.40q: %w", head.Format, indelible.ErrNewerFormat)
		}
		return nil, fmt.Errorf("%w: the manifest has the format %.40q", ErrDamaged, head.Format)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: the manifest cannot be read: %v", ErrDamaged, err)
	}
	version := m.Version
	again, err := m.encode()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if m.Version != version {
		return nil, fmt.Errorf("%w: the manifest's version is not the hash of what it says", ErrDamaged)
	}
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: the manifest is not as it was written", ErrDamaged)
	}
	return &m, m.checkPaths()
}

// checkPaths refuses names that lead elsewhere.
func (m *Manifest) checkPaths() error {
	for _, f := range m.Dataset.Files {
		if !CheckName(f.Path) {
			return fmt.Errorf("%w: the manifest names the file %.80q", ErrDamaged, f.Path)
		}
	}
	for _, d := range m.documents() {
		if !CheckName(d.Path) {
			return fmt.Errorf("%w: the manifest names the file %.80q", ErrDamaged, d.Path)
		}
	}
	return nil
}

// documents are the small files that belong to the dataset.
func (m *Manifest) documents() []Document {
	docs := m.Dataset.Documents
	if m.Dataset.Chain != nil && m.Dataset.Chain.Recent != nil {
		docs = append(docs[:len(docs):len(docs)], *m.Dataset.Chain.Recent)
	}
	return docs
}

func readManifest(ctx context.Context, p Place, name string) (*Manifest, []byte, error) {
	b, err := get(ctx, p, name)
	if err != nil {
		return nil, nil, err
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, b, fmt.Errorf("%s: %w", name, err)
	}
	return m, b, nil
}

// SchemaField describes a column of the rows, for who learns from them.
type SchemaField struct {
	Name     string `json:"name"`
	Type     string `json:"type"`           // in the rows: string, integer, timestamp, json
	Source   string `json:"source_type"`    // as the database declares it
	Unit     string `json:"unit,omitempty"` //
	Nullable bool   `json:"nullable"`
	Role     string `json:"role"` // id, start feature, label, after the outcome, time, export
}
