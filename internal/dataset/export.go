package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"indelible"
	"indelible/internal/runs"
)

// export is a job under way.
type export struct {
	*Job
	layout layout
	spec   Spec
	digest indelible.Hash // of the spec
	plan   *plan
	fresh  bool // nothing of this plan was written before
	info   runs.Info
	before *Manifest // the link before, or what is overwritten; may be nil

	files     []DataFile
	content   *contentHash
	tenants   []Tenant
	rows      atomic.Int64
	active    *activity
	counting  time.Duration // the first pass of the gate
	rowsBegun bool
	committed bool // the manifest is there
	started   time.Time
	repeats   *repeats
	stats     *stats
}

// Export makes a dataset. Nothing of it is visible before all of it is there
// and recorded. After an error the destination is as it was, but for the plan
// that lets the next run go on under the same name and time.
func Export(ctx context.Context, job *Job) (*Result, error) {
	x := &export{Job: job, layout: layout{file: job.File, chain: job.Chain != ""}, started: job.now(), active: newActivity(job.now)}
	if err := x.check(); err != nil {
		return nil, err
	}
	release, err := x.Place.Lock(x.lockName())
	if err != nil {
		return nil, err
	}
	defer release()
	if healed, err := x.prepare(ctx); err != nil || healed != nil {
		return healed, err
	}
	result, err := x.make(ctx)
	if err != nil {
		x.undo(ctx)
		return nil, err
	}
	return result, nil
}

// ErrUsage: what is asked for cannot be done, whatever is there.
var ErrUsage = errors.New("cannot be asked for")

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, args...))
}

func (x *export) check() error {
	q := &x.Query
	switch {
	case x.Chain != "" && x.File != "":
		return usage("a chain needs a folder, not a single file")
	case x.Chain != "" && (q.Limit.Valid || q.Since.Valid || q.Until.Valid):
		return usage("a chain takes every row in its turn: no limit, no time range")
	case x.Gate != nil && (x.Chain != "" || q.Limit.Valid):
		return usage("groups are counted over all rows there are: no chain, no limit")
	case x.File != "" && len(q.Tenants) > 1:
		return usage("several tenants have a set of files each: name a folder")
	case x.Chain != "" && !chainName(x.Chain):
		return usage("a chain's name has 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'")
	case x.File != "" && !CheckName(x.File):
		return usage("%q is not a name for a file", x.File)
	}
	x.spec = specOf(x.Job)
	var err error
	x.digest, err = x.spec.hash()
	return err
}

func chainName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	})
}

func (x *export) lockName() string {
	if x.File != "" {
		return x.File
	}
	return "dataset"
}

// make reads the rows and writes everything.
func (x *export) make(ctx context.Context) (*Result, error) {
	snapshot, err := x.Source.Open(ctx, x.Query)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	x.info = snapshot.Info()
	for _, note := range x.info.Notes {
		x.notify("%s", note)
	}
	if err := x.checkSchema(ctx); err != nil {
		return nil, err
	}
	if x.plan.ExportTimestamp.IsZero() {
		x.plan.ExportTimestamp = timestampOf(x.info.Time.UTC())
		x.plan.Parts = x.parts()
	}
	x.plan.Source = x.info.Plan
	if err := x.plan.write(ctx, x.Place, x.layout.plan()); err != nil {
		return nil, err
	}
	started, err := startedEvents(x.plan, x.Job, &x.spec)
	if err != nil {
		return nil, err
	}
	if err := x.Recorder.Record(ctx, started); err != nil {
		return nil, fmt.Errorf("the export was not begun, for it could not be recorded: %w", err)
	}
	if err := x.firstPass(ctx, snapshot); err != nil {
		return nil, err
	}
	if err := x.rowsOf(ctx, snapshot); err != nil {
		return nil, err
	}
	m, encoded, err := x.manifest(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.stillOurs(ctx); err != nil {
		return nil, err
	}
	if err := put(ctx, x.Place, x.layout.manifest(), encoded, x.Overwrite && x.Chain == ""); err != nil {
		if errors.Is(err, ErrExist) {
			return nil, fmt.Errorf("%w: another export was faster", err)
		}
		return nil, err
	}
	x.committed = true
	return x.conclude(ctx, m, encoded)
}

// stillOurs makes sure that no other export took over meanwhile, where locks
// do not reach.
func (x *export) stillOurs(ctx context.Context) error {
	now, err := readPlan(ctx, x.Place, x.layout.plan())
	if err != nil {
		return err
	}
	if now == nil || now.RunID != x.plan.RunID || now.Attempt != x.plan.Attempt {
		return fmt.Errorf("%w: it took over this one", ErrBusy)
	}
	return nil
}
