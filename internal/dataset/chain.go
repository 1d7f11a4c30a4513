package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"indelible"
	"indelible/internal/runs"
)

// A chain is a folder of links: manifests/00000001.json and so on. Each names
// the one before by its version; the newest holds the cursor the next begins
// at. A link is created under a free name, so of two exports one loses.

// ErrOtherSpec: what is there was exported with other options.
var ErrOtherSpec = errors.New("exported with other options")

// ErrSchema: the columns are not the ones there were.
var ErrSchema = errors.New("the columns are not the ones there were")

// lastLink is the number of the newest link, 0 without any.
func lastLink(ctx context.Context, p Place) (uint64, error) {
	names, err := p.List(ctx, linkPrefix)
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for _, name := range names {
		number, ok := strings.CutSuffix(strings.TrimPrefix(name, linkPrefix), ".json")
		n, err := strconv.ParseUint(number, 10, 63)
		if !ok || err != nil || (layout{chain: true, sequence: n}).manifest() != name {
			continue
		}
		last = max(last, n)
	}
	return last, nil
}

// follow makes this job the link after newest, or the first.
func (x *export) follow(newest *Manifest) error {
	x.layout.sequence++
	if x.Query.Range == nil {
		x.Query.Range = &runs.Range{}
	}
	x.Query.Range.Resync = x.Resync
	if newest == nil {
		return nil
	}
	link := newest.Dataset.Chain
	switch {
	case link == nil || link.Sequence != x.layout.sequence-1:
		return fmt.Errorf("%w: the newest link does not say that it is one", ErrDamaged)
	case link.Name != x.Chain:
		return fmt.Errorf("the chain here is called %s, not %s: %w", link.Name, x.Chain, ErrOtherSpec)
	}
	if was, err := newest.Dataset.Spec.hash(); err != nil || was != x.digest {
		return fmt.Errorf("chain %s: %w", x.Chain, errors.Join(ErrOtherSpec, err))
	}
	x.Query.Range.From = compact(link.Cursor)
	return nil
}

// compact is JSON as the source gave it, before a file was made easy to read.
func compact(text json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}

// checkSchema compares the columns with those of the link before, or of what
// is overwritten, and prepares to know rows again.
func (x *export) checkSchema(ctx context.Context) error {
	if x.before != nil && !x.AcceptSchema {
		if what := drift(x.before.Dataset.Schema, schemaOf(&x.info)); what != "" {
			return fmt.Errorf("%w: %s", ErrSchema, what)
		}
	}
	if x.Chain == "" || !x.info.Repeats {
		return nil
	}
	x.repeats = newRepeats(x.Query.Range, x.info.Time)
	if x.before == nil || x.before.Dataset.Chain.Recent == nil {
		return nil
	}
	doc := x.before.Dataset.Chain.Recent
	b, err := get(ctx, x.Place, doc.Path)
	if err != nil {
		return err
	}
	if indelible.Hash(sha256.Sum256(b)) != doc.SHA256 {
		return fmt.Errorf("%w: %s is not what the manifest says", ErrDamaged, doc.Path)
	}
	x.repeats.load(b)
	return nil
}

// drift names the first difference between two schemas.
func drift(before, now []SchemaField) string {
	names := func(fields []SchemaField) (list []string) {
		for _, f := range fields {
			list = append(list, f.Name)
		}
		return list
	}
	was, is := names(before), names(now)
	for _, f := range before {
		i := slices.Index(is, f.Name)
		switch {
		case i < 0:
			return "column " + f.Name + " is gone"
		case now[i].Source != f.Source:
			return fmt.Sprintf("column %s was %s and is %s", f.Name, f.Source, now[i].Source)
		}
	}
	for _, f := range now {
		if !slices.Contains(was, f.Name) {
			return "column " + f.Name + " is new"
		}
	}
	return ""
}

func (x *export) link() *Link {
	l := &Link{Name: x.Chain, Sequence: x.layout.sequence, From: x.Query.Range.From, Cursor: x.info.Cursor, Resync: x.Resync}
	if l.Cursor == nil {
		l.Cursor = json.RawMessage("null")
	}
	if x.before != nil {
		l.Previous = &x.before.Version
	}
	return l
}

// latest is latest.json: which manifest is the newest. Readers follow it.
type latest struct {
	Format   string         `json:"format"`
	Manifest string         `json:"manifest"`
	Version  indelible.Hash `json:"version"`
	SHA256   indelible.Hash `json:"sha256"` // of the manifest's bytes
}

const latestFormat = "indelible/latest/v1"

func latestOf(name string, m *Manifest, encoded []byte) ([]byte, error) {
	return marshal(latest{latestFormat, name, m.Version, indelible.Hash(sha256.Sum256(encoded))}, "  ")
}

func writeLatest(ctx context.Context, p Place, name string, m *Manifest, encoded []byte) error {
	b, err := latestOf(name, m, encoded)
	if err == nil {
		err = put(ctx, p, latestName, b, true)
	}
	return err
}

// repeats knows rows that the link before wrote, where a chain without
// revisions reads some of them again.
type repeats struct {
	before  map[rowKey]struct{}
	since   runs.Time // rows from then on may be read again
	time    func(*runs.Run) runs.Time
	dropped atomic.Uint64

	mu    sync.Mutex
	these []rowKey
}

type rowKey [16]byte

// slack is added to the overlap: the cursor may lie before the snapshot's time.
const slack = time.Hour

func newRepeats(r *runs.Range, now runs.Time) *repeats {
	overlap := r.Overlap
	if overlap == 0 {
		overlap = runs.DefaultOverlap
	}
	column := r.Column
	if column == "" {
		column = "completed_at"
	}
	return &repeats{
		before: map[rowKey]struct{}{}, time: timeOf(column),
		since: runs.Time{Micros: now.Micros - (2*overlap + slack).Microseconds(), Valid: true},
	}
}

// known says whether the row was written by the link before. The content holds
// the id, so it is the key.
func (p *repeats) known(content []byte, r *runs.Run) bool {
	sum := sha256.Sum256(content)
	key := rowKey(sum[:16])
	if t := p.time(r); !t.Valid || t.Micros >= p.since.Micros {
		p.mu.Lock()
		p.these = append(p.these, key)
		p.mu.Unlock()
	}
	if _, ok := p.before[key]; ok {
		p.dropped.Add(1)
		return true
	}
	return false
}

// encode is the file `recent`: the keys one after the other, sorted.
func (p *repeats) encode() []byte {
	slices.SortFunc(p.these, func(a, b rowKey) int { return bytes.Compare(a[:], b[:]) })
	p.these = slices.Compact(p.these)
	b := make([]byte, 0, len(p.these)*len(rowKey{}))
	for _, k := range p.these {
		b = append(b, k[:]...)
	}
	return b
}

func (p *repeats) load(b []byte) {
	for len(b) >= len(rowKey{}) {
		p.before[rowKey(b)] = struct{}{}
		b = b[len(rowKey{}):]
	}
}
