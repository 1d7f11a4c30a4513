package govern

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"indelible"
)

// Counts is what was counted when an erasure was proposed.
type Counts struct {
	Size     uint64 `json:"size"`     // of the tree that was searched
	Records  uint64 `json:"records"`  // events whose content is to go
	Mentions uint64 `json:"mentions"` // events that name the person in what stays
	Evidence uint64 `json:"evidence"` // files issued for the person's events; for anything of a tenant that goes wholly
	Exports  uint64 `json:"exports"`  // data sets of the tenant
	// Issued are the first thousand of these files.
	Issued []IssuedEvidence `json:"issued,omitempty"`
	// Datasets are the versions of these, the first thousand.
	Datasets []string `json:"datasets,omitempty"`
}

// IssuedEvidence is a file of evidence that left the log.
type IssuedEvidence struct {
	Recorded uint64         `json:"recorded"` // index of the event that says so
	SHA256   indelible.Hash `json:"sha256"`   // of the file
	Shows    string         `json:"shows"`    // event, skeleton or completeness
	At       time.Time      `json:"at"`
}

// eventExported says that a data set left the log.
const eventExported = "dataset.exported"

// maxListed bounds the lists in a certificate.
const maxListed = 1000

// Issue counts a file of evidence.
func (c *Counts) Issue(e IssuedEvidence) {
	if c.Evidence++; c.Evidence <= maxListed {
		c.Issued = append(c.Issued, e)
	}
}

// Add counts one event of the tenant. covered says that its resource_id is
// sealed with the acting user's part. An empty subject is the whole tenant.
// It reports whether the event is one whose content is to go.
func (c *Counts) Add(e *indelible.Event, subject string, covered bool) (goes bool) {
	if e.EventType == eventExported {
		if c.Exports++; c.Exports <= maxListed {
			c.Datasets = append(c.Datasets, e.ResourceID)
		}
	}
	if subject == "" {
		c.Records++
		return true
	}
	own := e.UserID == subject
	if own {
		c.Records++
	}
	if strings.Contains(e.ResourceID, subject) && !(own && covered) || !own && mentions(e, subject) {
		c.Mentions++
	}
	return own
}

// mentions reports whether the part of another's event names a person.
func mentions(e *indelible.Event, subject string) bool {
	if strings.Contains(e.UserID, subject) || strings.Contains(e.UserAgent, subject) {
		return true
	}
	quoted, err := json.Marshal(subject)
	return err == nil && bytes.Contains(e.Details, quoted[1:len(quoted)-1])
}
