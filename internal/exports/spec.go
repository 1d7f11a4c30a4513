package exports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Spec is what somebody asks for. Its members are named like the flags of
// `indelible export`, and mean the same. What says where something lies is not
// among them: a source is named by indelible.yaml, and so is the destination.
type Spec struct {
	Source         string   `json:"source"`
	Tenants        []string `json:"tenant,omitempty"`
	AllTenants     bool     `json:"all_tenants,omitempty"`
	Since          string   `json:"since,omitempty"`
	Until          string   `json:"until,omitempty"`
	TimeColumn     string   `json:"time_column,omitempty"`
	Statuses       []string `json:"status,omitempty"`
	Workflows      []string `json:"workflow,omitempty"`
	Metadata       []string `json:"where_metadata,omitempty"`
	Limit          *int64   `json:"limit,omitempty"`
	Columns        []string `json:"columns,omitempty"`
	Order          string   `json:"order,omitempty"`
	Format         string   `json:"format,omitempty"`
	Compress       string   `json:"compress,omitempty"`
	EncryptTo      []string `json:"encrypt_to,omitempty"`
	Mask           string   `json:"mask,omitempty"` // pseudonym or redact
	Recheck        string   `json:"recheck,omitempty"`
	Chain          string   `json:"incremental,omitempty"`
	Resync         bool     `json:"resync,omitempty"`
	AcceptSchema   bool     `json:"accept_schema,omitempty"`
	CursorColumn   string   `json:"cursor_column,omitempty"`
	Overlap        string   `json:"overlap,omitempty"`
	IncludeRunning bool     `json:"include_running,omitempty"`
}

const maxList = 1000 // tenants, statuses and so on

// ParseSpec reads what was sent, strictly.
func ParseSpec(text []byte) (*Spec, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s Spec
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON object")
	}
	for _, list := range [][]string{s.Tenants, s.Statuses, s.Workflows, s.Metadata, s.Columns, s.EncryptTo} {
		if len(list) > maxList {
			return nil, fmt.Errorf("a list has at most %d members", maxList)
		}
	}
	switch {
	case s.Source == "":
		return nil, errors.New("source is missing: the name of one in the server's indelible.yaml")
	case s.AllTenants == (len(s.Tenants) > 0):
		return nil, errors.New("name tenants in tenant, or say all_tenants")
	}
	slices.Sort(s.Tenants)
	s.Tenants = slices.Compact(s.Tenants)
	return &s, nil
}

// ChainID tells the chain of a name and of tenants from all others. Of all
// tenants there are none.
func ChainID(name string, tenants []string) string {
	h := sha256.New()
	for _, part := range append([]string{name}, tenants...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Query is the spec as the access log shows it.
func (s *Spec) Query() map[string]string {
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil
	}
	query := make(map[string]string, len(members))
	for name, value := range members {
		if name == "tenant" || name == "all_tenants" {
			continue // stand beside it
		}
		var word string
		if json.Unmarshal(value, &word) != nil {
			word = string(value)
		}
		query[name] = word
	}
	return query
}
