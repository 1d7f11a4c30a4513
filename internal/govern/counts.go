package govern

import (
	"bytes"
	"encoding/json"
	"strings"

	"indelible"
)

// Counts is what was counted when an erasure was proposed.
type Counts struct {
	Size     uint64 `json:"size"`     // of the tree that was searched
	Records  uint64 `json:"records"`  // events whose content is to go
	Mentions uint64 `json:"mentions"` // events that name the person in what stays
	Evidence uint64 `json:"evidence"` // files issued for events of the tenant
	Exports  uint64 `json:"exports"`  // data sets of the tenant
	// Datasets are the versions of these, the first thousand.
	Datasets []string `json:"datasets,omitempty"`
}

// Events that say that something left the log.
const (
	eventEvidence = "evidence.issued"
	eventExported = "dataset.exported"
)

// Add counts one event of the tenant. covered says that its resource_id is
// sealed with the acting user's part. An empty subject is the whole tenant.
func (c *Counts) Add(e *indelible.Event, subject string, covered bool) {
	switch e.EventType {
	case eventEvidence:
		c.Evidence++
	case eventExported:
		if c.Exports++; c.Exports <= 1000 {
			c.Datasets = append(c.Datasets, e.ResourceID)
		}
	}
	if subject == "" {
		c.Records++
		return
	}
	own := e.UserID == subject
	if own {
		c.Records++
	}
	if strings.Contains(e.ResourceID, subject) && !(own && covered) || !own && mentions(e, subject) {
		c.Mentions++
	}
}

// mentions reports whether the part of another's event names a person.
func mentions(e *indelible.Event, subject string) bool {
	if strings.Contains(e.UserID, subject) || strings.Contains(e.UserAgent, subject) {
		return true
	}
	quoted, err := json.Marshal(subject)
	return err == nil && bytes.Contains(e.Details, quoted[1:len(quoted)-1])
}
