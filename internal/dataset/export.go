package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
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
	x := &export{Job: job, layout: layout{file: job.File, chain: job.Chain != ""}, started: job.now()}
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

// prepare finds what is there: a dataset, a chain, an export that did not end.
// It returns a result if all that was left to do was to record.
func (x *export) prepare(ctx context.Context) (*Result, error) {
	old, err := readPlan(ctx, x.Place, x.layout.plan())
	if err != nil {
		return nil, err
	}
	newest, encoded, err := x.newest(ctx)
	if err != nil {
		return nil, err
	}
	if old != nil && newest != nil && newest.Dataset.RunID == old.RunID {
		// All of it is there; what may be missing is the record.
		x.notify("an earlier export was complete and not recorded: that is done now")
		x.plan = old
		result, err := x.conclude(ctx, newest, encoded)
		if err != nil {
			return nil, err
		}
		result.Healed = true
		if same, err := newest.Dataset.Spec.hash(); err != nil || x.Chain == "" && same == x.digest && !x.Overwrite {
			return result, err
		}
		old = nil
	}
	if x.Chain != "" {
		err = x.follow(newest)
	} else {
		err = x.refuseExisting(ctx, newest, old)
	}
	if err != nil {
		return nil, err
	}
	x.before = newest
	x.plan = &plan{RunID: x.NewID(), Attempt: 1, Spec: x.digest, Sequence: x.layout.sequence, Actor: x.Actor, ActorKind: x.ActorKind, Overwrites: x.Overwrite}
	x.fresh = old == nil
	if old != nil && old.Spec == x.digest && old.Sequence == x.layout.sequence {
		x.notify("an earlier attempt did not end: it is made again as run %s, attempt %d", old.RunID, old.Attempt+1)
		old.Attempt++
		old.Actor, old.ActorKind = x.Actor, x.ActorKind
		x.plan = old
		x.Query.Plan = compact(old.Source)
	} else if old != nil {
		x.notify("an earlier attempt with other options did not end: it is dropped")
	}
	return nil, x.sweep(ctx)
}

// newest is the manifest that is there, of a chain the last link; nil without.
func (x *export) newest(ctx context.Context) (*Manifest, []byte, error) {
	if x.Chain != "" {
		last, err := lastLink(ctx, x.Place)
		if err != nil {
			return nil, nil, err
		}
		x.layout.sequence = last
		if last == 0 {
			return nil, nil, nil
		}
	}
	m, encoded, err := readManifest(ctx, x.Place, x.layout.manifest())
	if errors.Is(err, ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil && x.Overwrite && errors.Is(err, ErrDamaged) {
		return nil, nil, nil
	}
	return m, encoded, err
}

// refuseExisting keeps what is there from being overwritten unasked.
func (x *export) refuseExisting(ctx context.Context, m *Manifest, old *plan) error {
	if x.Overwrite {
		return nil
	}
	if m != nil {
		return fmt.Errorf("%s %w", x.layout.manifest(), ErrExist)
	}
	if x.File == "" {
		links, err := x.Place.List(ctx, linkPrefix)
		if err == nil && len(links) > 0 {
			err = fmt.Errorf("a chain %w there", ErrExist)
		}
		return err
	}
	if old != nil {
		return nil // the file may be left over from the attempt that did not end
	}
	r, err := x.Place.Open(ctx, x.File)
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	if err == nil {
		r.Close()
		err = fmt.Errorf("%s %w", x.File, ErrExist)
	}
	return err
}

// sweep removes what earlier attempts left: unfinished files, and files of
// attempts that no manifest names.
func (x *export) sweep(ctx context.Context) error {
	if x.File != "" {
		for _, name := range []string{x.File, x.layout.manifest(), x.layout.evidence(), x.layout.plan()} {
			if err := x.Place.Sweep(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
	return x.Place.Sweep(ctx, strings.TrimSuffix(runsPrefix, "/"))
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
	scans := x.Query.Tenants
	if x.Query.AllTenants {
		scans = []string{""}
	}
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
		packer: x.Pack, masker: x.maskerOf(), time: timeOf(x.spec.TimeColumn), rows: &x.rows,
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
				x.Progress(x.rows.Load(), x.info.Rows)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// conclude records a dataset whose manifest is there, and makes it the latest.
func (x *export) conclude(ctx context.Context, m *Manifest, encoded []byte) (*Result, error) {
	events, err := exportedEvents(m, encoded, x.plan.Actor, x.plan.ActorKind)
	if err != nil {
		return nil, err
	}
	if err := x.Recorder.Record(ctx, events); err != nil {
		return nil, fmt.Errorf("the files are written, but could not be recorded; run the same command again: %w", err)
	}
	result := &Result{Manifest: m, Path: x.layout.manifest(), Attempt: x.plan.Attempt}
	evidence, err := x.Recorder.Evidence(ctx, systemTenant, events[0].ID)
	if err != nil {
		return nil, fmt.Errorf("the files are written and recorded, but could not be proved; run the same command again: %w", err)
	}
	if evidence != nil {
		if err := put(ctx, x.Place, x.layout.evidence(), evidence, true); err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
		result.Evidence = true
	}
	if x.File == "" {
		if err := writeLatest(ctx, x.Place, x.layout.manifest(), m, encoded); err != nil {
			return nil, err
		}
	}
	if err := x.tidy(ctx, m); err != nil {
		x.notify("the dataset is complete; what earlier ones left could not all be removed: %v", err)
	}
	result.Seconds = x.now().Sub(x.started).Seconds()
	return result, nil
}

// tidy removes the plan and what no manifest names any more.
func (x *export) tidy(ctx context.Context, m *Manifest) error {
	if x.File == "" {
		keep := map[string]bool{attemptPrefix(m.Dataset.RunID, m.Run.Attempt): true}
		if x.Chain != "" {
			for at := uint64(1); at < x.layout.sequence; at++ {
				link, _, err := readManifest(ctx, x.Place, layout{chain: true, sequence: at}.manifest())
				if err != nil {
					return err
				}
				keep[attemptPrefix(link.Dataset.RunID, link.Run.Attempt)] = true
			}
		}
		names, err := x.Place.List(ctx, runsPrefix)
		if err != nil {
			return err
		}
		for _, name := range names {
			if parts := strings.SplitN(name, "/", 4); len(parts) == 4 && !keep[strings.Join(parts[:3], "/")+"/"] {
				if err := x.Place.Remove(ctx, name); err != nil {
					return err
				}
			}
		}
	}
	return x.Place.Remove(ctx, x.layout.plan())
}

// undoTime bounds the cleaning up after an interruption.
const undoTime = 20 * time.Second

// undo removes what this attempt wrote. The plan stays if rows had been read
// and something failed; whoever interrupts wants nothing left.
func (x *export) undo(ctx context.Context) {
	if x.committed || x.plan == nil {
		return
	}
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if x.stillOurs(ctx) != nil {
		return
	}
	var failed error
	if x.File != "" {
		for _, f := range x.files {
			if !x.Overwrite {
				failed = errors.Join(failed, x.Place.Remove(ctx, f.Path))
			}
		}
	} else {
		names, err := x.Place.List(ctx, attemptPrefix(x.plan.RunID, x.plan.Attempt))
		failed = err
		for _, name := range names {
			failed = errors.Join(failed, x.Place.Remove(ctx, name))
		}
	}
	if interrupted || !x.rowsBegun {
		failed = errors.Join(failed, x.Place.Remove(ctx, x.layout.plan()))
	}
	if failed != nil {
		x.notify("not everything this attempt wrote could be removed; the next run does: %v", failed)
	}
}

func (h *contentHash) sum() (sum indelible.Hash) {
	h.Sum(sum[:0])
	return sum
}

// manifest puts the manifest together, and writes the documents it names.
func (x *export) manifest(ctx context.Context) (*Manifest, []byte, error) {
	m := &Manifest{
		Dataset: Dataset{
			RunID: x.plan.RunID, ExportTimestamp: x.plan.ExportTimestamp, RowSchema: RowSchema, Spec: x.spec,
			Source: Source{
				Kind: x.info.Kind, Version: x.info.Version, Table: "workflow_runs", Sample: x.info.Sample, Isolation: x.info.Isolation,
				Guarantee: x.info.Guarantee, Revision: x.info.Revision, NullCursor: uint64(x.info.NullCursor),
			},
			Schema: schemaOf(&x.info), Masks: x.Masks, ContentDigest: x.content.sum(), Tenants: x.tenants, Files: x.files,
		},
		Run: Run{Build: x.Build, Started: timestampOf(x.started), Finished: timestampOf(x.now()), Attempt: x.plan.Attempt, Jobs: max(1, x.Query.Jobs)},
	}
	d := &m.Dataset
	if d.Masks.Mode == "" {
		d.Masks.Mode = "none"
	}
	if d.Tenants == nil {
		d.Tenants = []Tenant{}
	}
	for _, f := range d.Files {
		d.Rows += f.Rows
		if f.MinTime != nil && (d.MinTime == nil || f.MinTime.Before(d.MinTime.Time)) {
			d.MinTime = f.MinTime
		}
		if f.MaxTime != nil && (d.MaxTime == nil || f.MaxTime.After(d.MaxTime.Time)) {
			d.MaxTime = f.MaxTime
		}
	}
	if x.Chain != "" {
		d.Chain = x.link()
	}
	if x.File == "" {
		if err := x.writeDocuments(ctx, m); err != nil {
			return nil, nil, err
		}
	}
	encoded, err := m.encode()
	return m, encoded, err
}

// document writes a small file of the dataset and notes its hash.
func (x *export) document(ctx context.Context, name string, data []byte) (Document, error) {
	path := attemptPrefix(x.plan.RunID, x.plan.Attempt) + name
	d := Document{Path: path, Bytes: uint64(len(data)), SHA256: indelible.Hash(sha256.Sum256(data))}
	if err := put(ctx, x.Place, path, data, false); err != nil {
		return d, fmt.Errorf("write %s: %w", name, err)
	}
	return d, nil
}
