package dataset

import (
	"crypto/sha256"

	"indelible"
	"indelible/internal/runs"
)

// Spec is what was asked for. A chain is bound to it: links of another spec are
// refused.
type Spec struct {
	Tenants    []string    `json:"tenants,omitempty"`
	AllTenants bool        `json:"all_tenants,omitempty"`
	NoRLS      bool        `json:"no_rls,omitempty"`
	TimeColumn string      `json:"time_column"`
	Since      *Timestamp  `json:"since,omitempty"`
	Until      *Timestamp  `json:"until,omitempty"`
	Statuses   []string    `json:"statuses,omitempty"`
	Workflows  []string    `json:"workflows,omitempty"`
	Metadata   []Condition `json:"metadata,omitempty"`
	Limit      *int64      `json:"limit,omitempty"`
	Columns    []string    `json:"columns,omitempty"`
	Ordered    bool        `json:"ordered,omitempty"`

	CursorColumn   string `json:"cursor_column,omitempty"`
	IncludeRunning bool   `json:"include_running,omitempty"`

	Format      string `json:"format"`
	Compression string `json:"compression"`
	Encrypted   bool   `json:"encrypted,omitempty"`
	Masks       string `json:"masks"` // mode and policy version of the masks

	KAnonymity *GroupSpec `json:"k_anonymity,omitempty"`
}

// Condition is a filter on a member of metadata. Its value may be somebody's
// name, so only a keyed hash of it stands here.
type Condition struct {
	Member string `json:"member"`
	Value  string `json:"value_hmac"`
}

// A Pseudonymizer gives the same token for the same value, and nobody without
// its key can tell whose it is.
type Pseudonymizer interface {
	Pseudonym(kind, value string) string
}

func (s *Spec) hash() (indelible.Hash, error) {
	b, err := canonical(s)
	return indelible.Hash(sha256.Sum256(b)), err
}

// DefaultTimeColumn is what --since and --until go by, and min and max times.
const DefaultTimeColumn = "created_at"

// specOf is the spec of a job.
func specOf(j *Job) Spec {
	q := &j.Query
	s := Spec{
		Tenants: q.Tenants, AllTenants: q.AllTenants, NoRLS: q.NoRLS, TimeColumn: q.TimeColumn,
		Statuses: q.Statuses, Workflows: q.Workflows, Columns: q.Columns, Ordered: q.Ordered,
		Format: j.Format, Compression: j.Compression, Encrypted: j.Encrypt != nil, Masks: "none", KAnonymity: j.GroupSpec,
	}
	if s.TimeColumn == "" {
		s.TimeColumn = DefaultTimeColumn
	}
	if s.Compression == "" {
		s.Compression = "none"
	}
	if j.Masks.Mode != "" {
		s.Masks = j.Masks.Mode
		if j.Masks.PolicyVersion != "" {
			s.Masks += " " + j.Masks.PolicyVersion
		}
	}
	bound := func(t runs.Time) *Timestamp {
		if !t.Valid {
			return nil
		}
		at := timestampOf(t.UTC())
		return &at
	}
	s.Since, s.Until = bound(q.Since), bound(q.Until)
	if q.Limit.Valid {
		s.Limit = &q.Limit.N
	}
	for _, m := range q.Metadata {
		s.Metadata = append(s.Metadata, Condition{m.Name, j.Pseudonymizer.Pseudonym("export filter "+m.Name, m.Value)})
	}
	if r := q.Range; r != nil {
		s.CursorColumn, s.IncludeRunning = r.Column, r.IncludeRunning
	}
	return s
}
