package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"indelible"
)

// Results of a verification.
const (
	ResultOK         = "ok"
	ResultTampered   = "tampered"
	ResultUnverified = "not verified"
)

// Check says what to verify, and with what.
type Check struct {
	Place Place
	File  string // of a dataset that is one file; empty: a folder

	Reader

	// Evidence checks the sidecar and returns the event it proves.
	Evidence func(ctx context.Context, sidecar []byte) (*indelible.Event, error)
	// Recorded asks the ledger for an event; nil to stay offline, and nil from
	// it where there is none.
	Recorded func(ctx context.Context, tenantID, eventID string) (*indelible.Event, error)

	Progress func(done, total uint64) // bytes
}

// Report is what a verification found.
type Report struct {
	Result    string         `json:"result"`
	Manifest  string         `json:"manifest"`
	Version   indelible.Hash `json:"version"`
	Links     int            `json:"links,omitempty"` // of a chain
	Rows      uint64         `json:"rows"`
	Files     int            `json:"files"`
	Bytes     uint64         `json:"bytes"`
	Digest    indelible.Hash `json:"content_digest"`
	Recorded  string         `json:"recorded"` // what proves the record: ledger, evidence, or both
	Problems  []Finding      `json:"problems"`
	Unchecked []string       `json:"unchecked"`

	manifests []*Manifest
	total     uint64
	done      uint64
	proofs    map[string]int

	unfinished bool // the newest manifest is there, and not yet the latest
}

// Manifests are those that were verified, oldest first.
func (r *Report) Manifests() []*Manifest { return r.manifests }

// Finding is something that is not as it was written.
type Finding struct {
	File string `json:"file"`
	What string `json:"what"`
}

func (r *Report) problem(file, format string, args ...any) {
	r.Problems = append(r.Problems, Finding{file, fmt.Sprintf(format, args...)})
}

func (r *Report) unchecked(format string, args ...any) {
	r.Unchecked = append(r.Unchecked, fmt.Sprintf(format, args...))
}

// Verify reads a whole dataset and compares it with its manifest, and the
// manifest with the ledger. The error is for what kept it from reading.
func Verify(ctx context.Context, c *Check) (*Report, error) {
	r := &Report{Problems: []Finding{}, Unchecked: []string{}, proofs: map[string]int{}}
	layouts, err := findLayouts(ctx, c.Place, c.File)
	if err != nil {
		return nil, err
	}
	if len(layouts) == 0 {
		return nil, fmt.Errorf("no dataset there: its manifest %w", ErrNotExist)
	}
	for _, l := range layouts {
		if err := c.one(ctx, r, l); err != nil {
			return nil, err
		}
	}
	c.links(r)
	if c.File == "" {
		if err := c.latest(ctx, r, layouts[len(layouts)-1]); err != nil {
			return nil, err
		}
		if err := c.strangers(ctx, r); err != nil {
			return nil, err
		}
	}
	for _, m := range r.manifests {
		for _, f := range m.Dataset.Files {
			r.total += f.Bytes
		}
	}
	for _, m := range r.manifests {
		if err := c.files(ctx, r, m); err != nil {
			return nil, err
		}
	}
	r.conclude(len(layouts))
	return r, nil
}

// findLayouts finds the manifests of a place, of a chain all links, oldest first.
func findLayouts(ctx context.Context, p Place, file string) ([]layout, error) {
	if file != "" {
		if _, err := get(ctx, p, layout{file: file}.manifest()); err != nil {
			if errors.Is(err, ErrNotExist) {
				err = nil
			}
			return nil, err
		}
		return []layout{{file: file}}, nil
	}
	last, err := lastLink(ctx, p)
	if err != nil {
		return nil, err
	}
	var all []layout
	for n := uint64(1); n <= last; n++ {
		all = append(all, layout{chain: true, sequence: n})
	}
	if last > 0 {
		return all, nil
	}
	for _, name := range []string{manifestName, latestName} {
		names, err := p.List(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 && names[0] == name {
			return []layout{{}}, nil
		}
	}
	return nil, nil
}

// one checks a manifest and its record.
func (c *Check) one(ctx context.Context, r *Report, l layout) error {
	name := l.manifest()
	r.Manifest = name
	m, encoded, err := readManifest(ctx, c.Place, name)
	switch {
	case errors.Is(err, ErrNotExist):
		r.problem(name, "is missing")
		return nil
	case errors.Is(err, ErrDamaged):
		r.problem(name, "%s", strings.TrimPrefix(err.Error(), name+": "))
		return nil
	case err != nil:
		return err
	}
	d := &m.Dataset
	if l.file != "" && (len(d.Files) != 1 || d.Files[0].Path != l.file) {
		r.problem(name, "is of another file")
		return nil
	}
	if l.chain != (d.Chain != nil) || l.chain && d.Chain.Sequence != l.sequence {
		r.problem(name, "is not the link it lies there as")
		return nil
	}
	r.manifests = append(r.manifests, m)
	r.Version, r.Digest = m.Version, d.ContentDigest
	return c.record(ctx, r, l, m, encoded)
}

// record compares a manifest with what was recorded of it.
func (c *Check) record(ctx context.Context, r *Report, l layout, m *Manifest, encoded []byte) error {
	sidecar, err := get(ctx, c.Place, l.evidence())
	switch {
	case errors.Is(err, ErrNotExist):
		r.unchecked("%s: there is no evidence beside it", l.manifest())
	case err != nil:
		return err
	default:
		e, err := c.Evidence(ctx, sidecar)
		switch {
		case errors.Is(err, indelible.ErrEvidence), errors.Is(err, ErrDamaged):
			r.problem(l.evidence(), "%v", err)
		case errors.Is(err, indelible.ErrNewerFormat), errors.Is(err, indelible.ErrCriticalField):
			r.unchecked("%s: %v", l.evidence(), err)
		case err != nil:
			return err
		default:
			if err := tells(e, m, encoded); err != nil {
				r.problem(l.manifest(), "%v", err)
			} else {
				r.proofs["evidence"]++
			}
		}
	}
	if c.Recorded == nil {
		return nil
	}
	e, err := c.Recorded(ctx, systemTenant, exportedID(m.Version, systemTenant))
	switch {
	case err != nil:
		return err
	case e == nil:
		r.unchecked("%s: the ledger here has no record of this version", l.manifest())
	default:
		if err := tells(e, m, encoded); err != nil {
			r.problem(l.manifest(), "%v", err)
		} else {
			r.proofs["ledger"]++
		}
	}
	return nil
}

// links compares each link of a chain with the one before.
func (c *Check) links(r *Report) {
	for i, m := range r.manifests {
		link := m.Dataset.Chain
		if link == nil {
			continue
		}
		r.Links++
		name := layout{chain: true, sequence: link.Sequence}.manifest()
		switch {
		case i == 0 && link.Sequence == 1 && link.Previous == nil:
		case i > 0 && link.Previous != nil && *link.Previous == r.manifests[i-1].Version && link.Name == r.manifests[0].Dataset.Chain.Name:
		default:
			r.problem(name, "does not follow the link before it")
		}
	}
}

// latest checks that latest.json leads to the newest manifest.
func (c *Check) latest(ctx context.Context, r *Report, l layout) error {
	if len(r.manifests) == 0 {
		return nil
	}
	newest := r.manifests[len(r.manifests)-1]
	encoded, err := get(ctx, c.Place, l.manifest())
	if err != nil {
		return err
	}
	want, err := latestOf(l.manifest(), newest, encoded)
	if err != nil {
		return err
	}
	b, err := get(ctx, c.Place, latestName)
	if err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	if bytes.Equal(b, want) {
		return nil
	}
	plan, err := readPlan(ctx, c.Place, planName)
	switch {
	case err != nil:
		return err
	case plan != nil && plan.RunID == newest.Dataset.RunID:
		r.unfinished = true
		r.unchecked("the export of %s did not end: the same command ends it", l.manifest())
	case b == nil:
		r.problem(latestName, "is missing")
	default:
		r.problem(latestName, "does not lead to the newest manifest")
	}
	return nil
}

// strangers looks for files among the data that no manifest names: who reads
// all that lies there would read them, too.
func (c *Check) strangers(ctx context.Context, r *Report) error {
	known := map[string]bool{}
	for _, m := range r.manifests {
		for _, f := range m.Dataset.Files {
			known[f.Path] = true
		}
		for _, d := range m.documents() {
			known[d.Path] = true
		}
	}
	names, err := c.Place.List(ctx, "")
	if err != nil {
		return err
	}
	pending := false
	for _, name := range names {
		pending = pending || name == planName
	}
	for _, name := range names {
		switch {
		case known[name] || !strings.HasPrefix(name, runsPrefix) || len(r.manifests) == 0:
		case pending:
			r.unchecked("%s: of an export that did not end", name)
		default:
			r.problem(name, "no manifest names it")
		}
	}
	return nil
}

// conclude draws the result: whatever was not proved to be recorded is not
// verified.
func (r *Report) conclude(manifests int) {
	switch {
	case r.proofs["ledger"] == manifests && r.proofs["evidence"] == manifests:
		r.Recorded = "ledger and evidence"
	case r.proofs["ledger"] == manifests:
		r.Recorded = "ledger"
	case r.proofs["evidence"] == manifests:
		r.Recorded = "evidence"
	}
	switch {
	case len(r.Problems) > 0:
		r.Result = ResultTampered
	case r.Recorded == "" || r.unfinished:
		r.Result = ResultUnverified
	default:
		r.Result = ResultOK
	}
}
