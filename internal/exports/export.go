// Package exports are the exports that were asked for over HTTP: they wait, are
// made a few at a time, and are known until long after, across restarts of the
// server. A dataset carries its tenants: only who may export each of them sees it.
package exports

import (
	"time"

	"indelible/internal/access"
)

// States of an export.
const (
	Queued    = "queued"
	Running   = "running"
	Done      = "done"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Export is one, as it stands.
type Export struct {
	ID         string     `json:"id"`
	State      string     `json:"state"`
	AskedBy    string     `json:"asked_by"`
	Asked      time.Time  `json:"asked"`
	Started    *time.Time `json:"started,omitempty"`
	Ended      *time.Time `json:"ended,omitempty"`
	Tenants    []string   `json:"tenants,omitempty"` // as asked for; of all of them those that had rows
	AllTenants bool       `json:"all_tenants,omitempty"`
	Source     string     `json:"source"`
	Chain      string     `json:"chain,omitempty"`
	RowsRead   int64      `json:"rows_read"`  // so far
	RowsTotal  int64      `json:"rows_total"` // roughly, until it is done
	Problem    *Problem   `json:"problem,omitempty"`
	Made       *Made      `json:"made,omitempty"`
}

// Problem is why an export was not made, as whoever asked may read it.
type Problem struct {
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// Made is what came of an export.
type Made struct {
	Version       string   `json:"version"` // of the manifest
	Rows          uint64   `json:"rows"`
	ContentDigest string   `json:"content_digest"`
	RunID         string   `json:"run_id"`
	Timestamp     string   `json:"export_timestamp"`
	Masks         string   `json:"masks"`
	Guarantee     string   `json:"guarantee"`
	Sequence      uint64   `json:"sequence,omitempty"` // in its chain
	Evidence      bool     `json:"evidence"`
	Files         []File   `json:"files"`
	Tenants       []string `json:"-"`
}

// File is a file of a dataset. Of manifests and evidence nobody has noted a hash.
type File struct {
	Name   string `json:"name"`
	Rows   uint64 `json:"rows,omitempty"`
	Bytes  uint64 `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

func (e *Export) ended() bool {
	return e.State == Done || e.State == Failed || e.State == Cancelled
}

// seenBy reports whether an export is of the tenants of a scope, all of them.
func (e *Export) seenBy(scope access.TenantScope) bool {
	if _, all := scope.Tenants(); e.AllTenants && !all {
		return false
	}
	for _, t := range e.Tenants {
		// Rows may name no tenant; then all are needed, as for all tenants.
		if t != "" && !scope.Allows(t) {
			return false
		}
	}
	return e.AllTenants || len(e.Tenants) > 0
}
