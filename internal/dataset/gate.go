package dataset

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"indelible/internal/runs"
)

// A Gate keeps rows back by what all of them together are: it sees them once to
// count, and once more before they are written.
type Gate interface {
	// Counter makes one for each reader of the first pass. It may change the row.
	Counter(columns []runs.Column) (func(*runs.Run) error, error)
	// Counted is called after the first pass.
	Counted() error
	// Filter makes one for each reader of the second pass. It may replace the
	// row's slices, and says whether the row is written.
	Filter(columns []runs.Column) (func(*runs.Run) bool, error)
	// Result says after the second pass what was done.
	Result() Grouped
}

// GroupSpec is what a gate was asked for: only rows of groups with so many persons.
type GroupSpec struct {
	K       int      `json:"k"`
	Quasi   []string `json:"quasi"`             // what makes a group, and how coarse
	Subject []string `json:"subject,omitempty"` // fields that say whom a row is about; none: the usual ones
}

// Grouped is what came of it.
type Grouped struct {
	GroupSpec
	Groups           uint64 `json:"groups"`
	GroupsSuppressed uint64 `json:"groups_suppressed"`
	RowsSuppressed   uint64 `json:"rows_suppressed"`
	ValuesNulled     uint64 `json:"values_nulled"` // those that could not be made coarser
}

// firstPass shows the gate every row there is.
func (x *export) firstPass(ctx context.Context, snapshot runs.Snapshot) error {
	if x.Gate == nil {
		return nil
	}
	started := x.now()
	stop := x.reportProgress()
	defer stop()
	for _, tenant := range x.scans() {
		if err := x.countRows(ctx, snapshot, tenant); err != nil {
			return err
		}
	}
	if err := x.Gate.Counted(); err != nil {
		return err
	}
	n := x.rows.Swap(0)
	x.counting = x.now().Sub(started)
	x.notify("groups of %d rows were counted in %v; the rows are read once more", n, x.counting.Round(time.Millisecond))
	return nil
}

func (x *export) countRows(ctx context.Context, snapshot runs.Snapshot, tenant string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range max(1, min(x.Query.Jobs, x.info.Shards)) {
		wg.Go(func() {
			count, err := x.Gate.Counter(x.info.Columns)
			for err == nil {
				shard := int(next.Add(1)) - 1
				if shard >= x.info.Shards {
					return
				}
				err = snapshot.Scan(ctx, tenant, shard, func(r *runs.Run) error {
					x.rows.Add(1)
					return count(r)
				})
			}
			cancel(err)
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// grouped is what the manifest says of the gate.
func (x *export) grouped() *Grouped {
	if x.Gate == nil {
		return nil
	}
	g := x.Gate.Result()
	x.notify("%d rows are left out: those of %d of %d groups, with fewer than %d persons", g.RowsSuppressed, g.GroupsSuppressed, g.Groups, g.K)
	if g.ValuesNulled > 0 {
		x.notify("%d values became null, for they could not be made coarser as was asked", g.ValuesNulled)
	}
	return &g
}
