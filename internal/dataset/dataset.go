// Package dataset writes the rows of workflow runs as datasets that prove
// themselves: files of JSON lines or Parquet, a manifest that names each with
// its hash, and a record of the manifest in the ledger. It resumes what was
// interrupted, chains what came since, and verifies what it reads.
package dataset

import (
	"context"
	"fmt"
	"io"
	"time"

	"indelible"
	"indelible/internal/runs"
)

// Job is one export.
type Job struct {
	Source runs.Source
	Query  runs.Query

	Place     Place
	File      string // the one file to write; empty: a folder of files
	Overwrite bool
	Chain     string // name of the chain this is a link of; needs a folder
	Resync    bool
	// AcceptSchema lets a chain, or the dataset that is overwritten, go on with
	// other columns than before.
	AcceptSchema bool

	Format      string            // jsonl or parquet
	Compression string            // none, gzip or zstd
	Columnar    Columnar          // for parquet
	Pack        func() Compressor // for compressed JSONL
	Encrypt     func(io.Writer) (io.WriteCloser, error)

	Masks Masks
	// Masker makes one for each reader, with the extra columns of its rows. Nil:
	// rows are written as they are.
	Masker func(extra []runs.Column) (Masker, error)
	// Masked is called after the last row, for counts and what was not detected.
	Masked func(*Masks)

	// Gate keeps rows back; nil: all are written.
	Gate      Gate
	GroupSpec *GroupSpec // what it does, for the spec

	Recorder      Recorder
	Pseudonymizer Pseudonymizer
	Actor         string // who exports, as far as is known
	ActorKind     string // asserted or authenticated
	Build         string // version of this program

	Clock func() time.Time
	NewID func() string // a random UUID
	// Ours says whether a dataset with this run id is what is asked for: then it
	// was made before, and nothing is left but to record it. Nil: none is.
	Ours     func(runID string) bool
	Progress func(done, total int64)
	Shards   func([]Shard) // called before Progress with what is being read; may be nil
	Notify   func(string)  // a line for the user
}

// A Recorder writes what happens to datasets into the ledger.
type Recorder interface {
	// Record returns when the events are durable. An event that is in the log
	// already, with this content, is no error.
	Record(ctx context.Context, events []*indelible.Event) error
	// Evidence proves a recorded event; nil while it is not in the store yet.
	Evidence(ctx context.Context, tenantID, eventID string) ([]byte, error)
}

// Result is what an export came to.
type Result struct {
	Manifest *Manifest
	Path     string // of the manifest, within the place
	Evidence bool   // whether the evidence could be written
	Healed   bool   // the files were there; what had not been recorded now is
	Attempt  int
	Seconds  float64
}

// layout says where the files of a dataset lie.
type layout struct {
	file     string // of a dataset that is one file
	chain    bool
	sequence uint64
}

func (l layout) with(suffix string) string {
	switch {
	case l.file != "":
		return l.file + "." + suffix
	case l.chain && suffix != planName && suffix != latestName:
		return fmt.Sprintf("%s%08d.%s", linkPrefix, l.sequence, linkSuffix[suffix])
	}
	return suffix
}

// Names of the files beside the data.
const (
	manifestName = "manifest.json"
	evidenceName = "evidence.json"
	planName     = "plan.json"
	latestName   = "latest.json"

	linkPrefix = "manifests/"
	runsPrefix = "runs/"
)

// linkSuffix are the ends of names in a chain: manifests/00000001.json.
var linkSuffix = map[string]string{manifestName: "json", evidenceName: "evidence.json"}

func (l layout) manifest() string { return l.with(manifestName) }
func (l layout) evidence() string { return l.with(evidenceName) }
func (l layout) plan() string     { return l.with(planName) }

// attemptPrefix is where the files of an attempt lie in a folder.
func attemptPrefix(runID string, attempt int) string {
	return fmt.Sprintf("%s%s/%d/", runsPrefix, runID, attempt)
}

func (j *Job) now() time.Time {
	if j.Clock != nil {
		return j.Clock()
	}
	return time.Now()
}

func (j *Job) notify(format string, args ...any) {
	if j.Notify != nil {
		j.Notify(fmt.Sprintf(format, args...))
	}
}
