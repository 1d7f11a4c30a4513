package dataset

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"indelible"
	"indelible/internal/runs"
)

// Rows of a file in a folder, roughly: files stay of a size that is handy.
const rowsPerFile = 500_000

func (x *export) parts() int {
	if x.File != "" {
		return 1
	}
	return max(1, min(x.info.Shards, int((x.info.Rows+rowsPerFile-1)/rowsPerFile)))
}

// rowsOf reads all rows, one scan after the other, into files.
func (x *export) rowsOf(ctx context.Context, snapshot runs.Snapshot) error {
	x.rowsBegun = true
	suffix := 0
	if x.Columnar == nil {
		suffix = len(exportSuffix(x.plan.ExportTimestamp.Time))
	}
	x.content = newContentHash(suffix)
	if x.File == "" {
		x.stats = newStats(x.info.Columns)
	}
	stop := x.reportProgress()
	defer stop()
	scans := x.scans()
	for i, tenant := range scans {
		if err := x.scan(ctx, snapshot, i, tenant, len(scans) > 1, suffix); err != nil {
			return err
		}
	}
	if x.Masked != nil {
		x.Masked(&x.Masks)
	}
	return nil
}

// scans are the tenants that are read, one after the other; all in one is "".
func (x *export) scans() []string {
	if x.Query.AllTenants {
		return []string{""}
	}
	return x.Query.Tenants
}

// filterOf makes what keeps rows back.
func (x *export) filterOf() func() (func(*runs.Run) bool, error) {
	if x.Gate == nil {
		return nil
	}
	return func() (func(*runs.Run) bool, error) { return x.Gate.Filter(x.info.Columns) }
}

// maskerOf makes maskers for the rows there are.
func (x *export) maskerOf() func() (Masker, error) {
	if x.Masker == nil {
		return nil
	}
	var extra []runs.Column
	for _, c := range x.info.Columns {
		if c.Extra {
			extra = append(extra, c)
		}
	}
	return func() (Masker, error) { return x.Masker(extra) }
}

// scan reads one tenant, or all in one.
func (x *export) scan(ctx context.Context, snapshot runs.Snapshot, n int, tenant string, several bool, suffix int) error {
	rd := &reading{
		snapshot: snapshot, tenant: tenant, shards: x.info.Shards, jobs: x.Query.Jobs,
		lines: x.Columnar == nil, counts: x.Query.AllTenants,
		encoder: func() (*rowEncoder, error) {
			return newRowEncoder(x.info.Columns, x.info.Revision, x.plan.ExportTimestamp.Time)
		},
		packer: x.Pack, filter: x.filterOf(), masker: x.maskerOf(), time: timeOf(x.spec.TimeColumn), rows: &x.rows,
		active: x.active, total: x.total(tenant),
		stats: x.stats, repeats: x.repeats,
	}
	if x.Query.AllTenants {
		tenant = ""
	}
	s := &sink{job: x.Job, columns: x.info.Columns, rev: x.info.Revision, stamp: x.plan.ExportTimestamp}
	defer s.abort()
	own := newContentHash(suffix) // of this tenant alone
	counted := map[string]uint64{}
	var rows uint64
	part := -1
	digest := func(b *block) error {
		x.content.add(b)
		if several {
			own.add(b)
		}
		rows += uint64(b.n)
		for _, t := range b.tenants {
			counted[t.tenant] += t.rows
		}
		return nil
	}
	write := func(b *block) error {
		if want := b.shard * x.plan.Parts / rd.shards; want != part {
			if part >= 0 {
				if err := s.end(ctx); err != nil {
					return err
				}
			}
			part = want
			if err := s.begin(ctx, x.dataName(n, several, part), tenant, x.replaceData()); err != nil {
				return err
			}
		}
		return s.write(b)
	}
	if err := rd.run(ctx, digest, write); err != nil {
		return err
	}
	if part < 0 { // no rows: an empty file says so
		if err := s.begin(ctx, x.dataName(n, several, 0), tenant, x.replaceData()); err != nil {
			return err
		}
	}
	if err := s.end(ctx); err != nil {
		return err
	}
	x.files = append(x.files, s.files...)
	if !x.Query.AllTenants {
		t := Tenant{TenantID: tenant, Rows: rows}
		if several {
			sum := own.sum()
			t.ContentDigest = &sum
		}
		x.tenants = append(x.tenants, t)
		return nil
	}
	for name, n := range counted {
		x.tenants = append(x.tenants, Tenant{TenantID: name, Rows: n})
	}
	slices.SortFunc(x.tenants, func(a, b Tenant) int { return strings.Compare(a.TenantID, b.TenantID) })
	return nil
}

// total is about how many rows one scan reads: not known of one tenant of several.
func (x *export) total(tenant string) int64 {
	if tenant != "" && len(x.Query.Tenants) > 1 {
		return 0
	}
	return x.info.Rows
}

// replaceData: a single file may stand there from before, or from an attempt
// that did not end. In a folder every attempt has names of its own.
func (x *export) replaceData() bool { return x.File != "" && (x.Overwrite || !x.fresh) }

// dataName is the name of a file with rows.
func (x *export) dataName(scan int, several bool, part int) string {
	if x.File != "" {
		return x.File
	}
	name := attemptPrefix(x.plan.RunID, x.plan.Attempt)
	if several {
		name += fmt.Sprintf("tenant-%04d/", scan+1)
	}
	return name + fmt.Sprintf("part-%04d.%s", part+1, x.extension())
}

func (x *export) extension() string {
	ext := x.Format
	if x.Columnar == nil {
		switch x.Compression {
		case "gzip":
			ext += ".gz"
		case "zstd":
			ext += ".zst"
		}
	}
	if x.Encrypt != nil {
		ext += ".age"
	}
	return ext
}

// timeOf reads the time column of a row: what files tell the bounds of.
func timeOf(column string) func(*runs.Run) runs.Time {
	switch column {
	case "started_at":
		return func(r *runs.Run) runs.Time { return r.StartedAt }
	case "completed_at":
		return func(r *runs.Run) runs.Time { return r.CompletedAt }
	case DefaultTimeColumn:
		return func(r *runs.Run) runs.Time { return r.CreatedAt }
	}
	return func(*runs.Run) runs.Time { return runs.Time{} }
}

// reportProgress calls Progress now and then until it is stopped.
func (x *export) reportProgress() (stop func()) {
	if x.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if x.Shards != nil {
					x.Shards(x.active.list())
				}
				x.Progress(x.rows.Load(), x.info.Rows)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (h *contentHash) sum() (sum indelible.Hash) {
	h.Sum(sum[:0])
	return sum
}
