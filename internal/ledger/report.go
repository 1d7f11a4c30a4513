package ledger

import (
	"time"

	"indelible"
)

// Results of a verification.
const (
	ResultOK         = "ok"
	ResultTampered   = "tampered"     // an object of the log is missing, unparsable or different
	ResultUnverified = "not verified" // something could not be checked
	ResultWrongKey   = "wrong key"
)

// Problem is one thing verification found.
type Problem struct {
	Object  string  `json:"object"`
	Segment *uint64 `json:"segment,omitempty"`
	Index   *uint64 `json:"index,omitempty"`
	EventID string  `json:"event_id,omitempty"`
	What    string  `json:"what"`

	severity severity
}

type severity int

const (
	interference severity = iota // foreign objects and versions: the log is intact
	unreadable                   // a check could not be made
	tampering
)

// Report is the outcome of a verification: `verify --json` prints it.
type Report struct {
	Result       string `json:"result"`
	Origin       string `json:"origin"`
	Events       uint64 `json:"events"`        // recorded events, without those of our own tenants
	Leaves       uint64 `json:"leaves"`        // size of the tree
	SystemEvents uint64 `json:"system_events"` // events of tenants whose name begins with _
	Pending      uint64 `json:"pending"`       // leaves committed after the checkpoint
	Tenants      uint64 `json:"tenants"`
	Returned     uint64 `json:"returned"` // tenants that were erased and began again, in another row
	Conflicts    uint64 `json:"conflicts"`
	Unopened     uint64 `json:"unopened"` // payloads verified as ciphertext only: no key for them here
	Segments     uint64 `json:"segments"`
	Objects      uint64 `json:"objects"` // compared byte for byte or by hash
	Bytes        uint64 `json:"bytes"`   // read
	// Of the events, those whose segments were removed under the retention
	// policy, and those whose segments are gone without; and how many segments.
	Expired         uint64 `json:"expired"`
	ExpiredSegments uint64 `json:"expired_segments"`
	Missing         uint64 `json:"missing"`
	MissingSegments uint64 `json:"missing_segments"`

	Problems  []Problem `json:"problems"`
	Unchecked []string  `json:"unchecked"` // what could not be checked, in words

	Root       indelible.Hash `json:"root"`
	Checkpoint string         `json:"checkpoint,omitempty"` // the signed note
	HeadsAge   float64        `json:"heads_age_seconds"`    // age of the newest heads leaf
	Range      *Range         `json:"range,omitempty"`
	Started    time.Time      `json:"started"`
	Seconds    float64        `json:"seconds"`
}

// Range limits a verification to leaves First to End−1.
type Range struct {
	First uint64 `json:"first"`
	End   uint64 `json:"end"`
}

// conclude sets the result from the problems found.
func (r *Report) conclude() {
	worst := severity(-1)
	for _, p := range r.Problems {
		worst = max(worst, p.severity)
	}
	switch worst {
	case tampering:
		r.Result = ResultTampered
	case unreadable:
		r.Result = ResultUnverified
	default:
		r.Result = ResultOK
	}
}
