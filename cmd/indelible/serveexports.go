package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"indelible/internal/datadir"
	"indelible/internal/dataset"
	"indelible/internal/exports"
	"indelible/internal/runs"
)

// servedExports makes the exports that a server is asked for.
type servedExports struct {
	app *app
	to  string // exports.to of indelible.yaml
	log *slog.Logger
}

// exportQueue opens the queue of a server's exports; nil where indelible.yaml
// says nothing of any.
func (a *app) exportQueue(d *datadir.Directory, log *slog.Logger) (*exports.Queue, error) {
	if d.Config.Exports == nil {
		return nil, nil
	}
	own := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, env: a.env, dir: a.dir, serving: true}
	s := &servedExports{app: own, to: d.Config.Exports.To, log: log}
	if !strings.HasPrefix(s.to, "s3://") && !filepath.IsAbs(s.to) {
		s.to = filepath.Join(a.dir, s.to)
	}
	q, err := exports.Open(exports.Config{
		Dir: filepath.Join(a.dir, "serve", "exports"), NewID: uuid.NewString, Check: s.check, Make: s.make, Explain: explainExport, Open: s.open, Log: log, Clock: time.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("exports: %w", err)
	}
	return q, nil
}

// spec is what is asked for in the words of the command.
func (s *servedExports) spec(e *exports.Spec, id string) (*exportSpec, error) {
	if e.Mask == maskOff {
		return nil, usagef("choose pseudonym or redact", "mask %q is not for exports over HTTP", e.Mask)
	}
	spec := &exportSpec{
		sourceOptions: sourceOptions{name: e.Source}, placeOptions: placeOptions{out: s.place(id, e.Chain, e.Tenants)},
		tenants: e.Tenants, allTenants: e.AllTenants, since: e.Since, until: e.Until, timeColumn: e.TimeColumn, statuses: e.Statuses, workflows: e.Workflows,
		metadata: e.Metadata, columns: e.Columns, order: e.Order, format: e.Format, compress: e.Compress, encryptTo: e.EncryptTo,
		acceptSchema: e.AcceptSchema, mask: e.Mask, recheck: e.Recheck, chain: e.Chain, resync: e.Resync, cursorColumn: e.CursorColumn, overlap: e.Overlap,
		includeRunning: e.IncludeRunning, jobs: min(2, runtime.NumCPU()), maxRow: runs.DefaultMaxRow,
	}
	if e.Limit != nil {
		spec.limit, spec.limited = *e.Limit, true
	}
	if spec.mask == "" {
		spec.mask = maskPseudonym
	}
	if spec.recheck == "" {
		spec.recheck = recheckChanged
	}
	return spec, nil
}

// place is where a dataset goes: a folder of its own, or that of a chain. Chains
// of other tenants are others, whatever their names.
func (s *servedExports) place(id, chain string, tenants []string) string {
	name := id
	if chain != "" {
		name = "chain-" + exports.ChainID(chain, tenants)
	}
	return strings.TrimSuffix(s.to, "/") + "/" + name + "/"
}

// check says what is wrong with what is asked for, as far as that can be told
// without a database.
func (s *servedExports) check(e *exports.Spec) error {
	spec, err := s.spec(e, "export")
	if err != nil {
		return err
	}
	if _, err := spec.job(); err != nil {
		return err
	}
	source, err := s.app.namedSource(e.Source)
	if err != nil {
		s.log.Warn("an export was asked for from a source that cannot be used", "err", err)
		return usagef("", "the server's indelible.yaml has no such source, or it cannot be used")
	}
	return source.Close()
}

// make makes a dataset, unless an earlier attempt has made it.
func (s *servedExports) make(ctx context.Context, t *exports.Task) (*exports.Made, error) {
	spec, err := s.spec(t.Spec, t.ID)
	if err != nil {
		return nil, err
	}
	if made, err := s.made(ctx, spec, t.Runs); err != nil || made != nil {
		return made, err
	}
	// The run that is made may be an earlier one that goes on.
	result, err := s.app.runExport(ctx, spec, exporting{
		actor: t.AskedBy, actorKind: "authenticated", newID: t.NewRun, progress: t.Progress,
		notify: func(line string) { s.log.Info("export", "export", t.ID, "note", line) },
	})
	if err != nil {
		return nil, err
	}
	return s.made(ctx, spec, append(t.Runs, result.Manifest.Dataset.RunID))
}

// made is what some runs made, if all of it is there and recorded.
func (s *servedExports) made(ctx context.Context, spec *exportSpec, runs []string) (*exports.Made, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	place, _, err := s.app.openPlace(ctx, &spec.placeOptions, false)
	if err != nil {
		return nil, err
	}
	if pending, err := dataset.Pending(ctx, place, ""); err != nil || pending {
		return nil, err
	}
	all, err := dataset.Open(ctx, place, "", dataset.Reader{})
	if errors.Is(err, dataset.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o := all.OfRuns(runs)
	if o == nil {
		return nil, nil
	}
	return describeMade(ctx, place, o)
}

// describeMade tells what there is, and all its files.
func describeMade(ctx context.Context, place dataset.Place, o *dataset.Opened) (*exports.Made, error) {
	manifests := o.Manifests()
	m := manifests[len(manifests)-1]
	d := &m.Dataset
	made := &exports.Made{
		Version: m.Version.String(), ContentDigest: d.ContentDigest.String(), RunID: d.RunID, Timestamp: d.ExportTimestamp.String(),
		Masks: d.Masks.Mode, Guarantee: d.Source.Guarantee,
	}
	if d.Chain != nil {
		made.Sequence = d.Chain.Sequence
	}
	known := make(map[string]exports.File)
	for _, m := range manifests {
		made.Rows += m.Dataset.Rows
		for _, f := range m.Dataset.Files {
			known[f.Path] = exports.File{Name: f.Path, Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256.String()}
		}
		for _, f := range m.Dataset.Documents {
			known[f.Path] = exports.File{Name: f.Path, Bytes: f.Bytes, SHA256: f.SHA256.String()}
		}
		for _, t := range m.Dataset.Tenants {
			made.Tenants = append(made.Tenants, t.TenantID)
		}
	}
	for _, name := range o.Files() {
		f, ok := known[name]
		if !ok {
			r, err := place.Open(ctx, name)
			if errors.Is(err, dataset.ErrNotExist) {
				continue // evidence, when the store was away
			}
			if err != nil {
				return nil, err
			}
			r.Close()
			f.Name = name
			made.Evidence = made.Evidence || strings.HasSuffix(name, "evidence.json")
		}
		made.Files = append(made.Files, f)
	}
	return made, nil
}

// open implements exports.Config.Open.
func (s *servedExports) open(ctx context.Context, e *exports.Export, name string) (io.ReadCloser, error) {
	tenants := e.Tenants
	if e.AllTenants {
		tenants = nil
	}
	place, _, err := s.app.openPlace(ctx, &placeOptions{out: s.place(e.ID, e.Chain, tenants)}, false)
	if err != nil {
		return nil, err
	}
	return place.Open(ctx, name)
}

// explainExport tells whoever asked why there is no dataset, and nothing of the
// machine and the database.
func explainExport(err error) *exports.Problem {
	var source *runs.Error
	var usage *exitError
	_, hint := classify(err)
	switch {
	case errors.As(err, &source):
		return &exports.Problem{Detail: source.Error(), Hint: source.Hint}
	case errors.As(err, &usage) && usage.code == exitUsage, errors.Is(err, dataset.ErrSchema), errors.Is(err, dataset.ErrOtherSpec):
		return &exports.Problem{Detail: err.Error(), Hint: hint}
	case errors.Is(err, dataset.ErrBusy):
		return &exports.Problem{Detail: "another export of this chain was under way", Hint: "ask for it again"}
	case errors.Is(err, context.DeadlineExceeded):
		return &exports.Problem{Detail: "it took too long", Hint: "ask for less at once"}
	}
	return &exports.Problem{Detail: "it could not be made; the server's log says why, under its id"}
}
