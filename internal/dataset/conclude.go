package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"indelible"
)

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

// manifest puts the manifest together, and writes the documents it names.
func (x *export) manifest(ctx context.Context) (*Manifest, []byte, error) {
	m := &Manifest{
		Dataset: Dataset{
			RunID: x.plan.RunID, ExportTimestamp: x.plan.ExportTimestamp, RowSchema: RowSchema, Spec: x.spec,
			Source: Source{
				Kind: x.info.Kind, Version: x.info.Version, Table: "workflow_runs", Sample: x.info.Sample, Isolation: x.info.Isolation,
				Guarantee: x.info.Guarantee, Revision: x.info.Revision, NullCursor: uint64(x.info.NullCursor),
			},
			Schema: schemaOf(&x.info), Masks: x.Masks, KAnonymity: x.grouped(), ContentDigest: x.content.sum(), Tenants: x.tenants, Files: x.files,
		},
		Run: Run{Build: x.Build, Started: timestampOf(x.started), Finished: timestampOf(x.now()), Attempt: x.plan.Attempt, Jobs: max(1, x.Query.Jobs), CountingMS: x.counting.Milliseconds()},
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
