// Package kanon keeps rows back that stand too alone: those of a group in which
// fewer than k persons are (k-anonymity, Samarati and Sweeney 1998). A group is
// what has the same values in the fields that were named, made coarser as was
// asked. One pass over the rows counts persons, a second one over the same rows
// writes what may be written, with the coarser values.
package kanon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"indelible/internal/runs"
)

// Bounds of what is asked for.
const (
	MinK     = 2
	MaxK     = 1000
	maxQuasi = 16

	// maxHeld is how many groups, and persons of groups that are not full yet,
	// are held in memory: about 100 bytes each.
	maxHeld = 1_000_000
)

// A Gate counts persons in groups, and then tells which rows may be written.
type Gate struct {
	k     int
	quasi []quasi
	limit int

	mu     sync.Mutex
	groups map[key]*group // nil after the first pass
	small  map[key]struct{}
	held   int
	named  bool // a row named a person

	counted    uint64 // groups
	suppressed atomic.Uint64
	lost       atomic.Uint64
}

// key stands for a group: the beginning of SHA-256 over its tenant and values.
type key [16]byte

// A group has the persons seen, until there are k.
type group struct {
	persons []uint64
	full    bool
}

// New makes a gate for groups of at least k persons.
func New(k int, texts []string) (*Gate, error) {
	switch {
	case k < MinK || k > MaxK:
		return nil, runs.Failf(runs.Usage, "choose 2 to 1000 persons", "--k-anonymity %d", k)
	case len(texts) == 0:
		return nil, runs.Failf(runs.Usage, hint, "--k-anonymity needs the fields that make groups, with --quasi")
	case len(texts) > maxQuasi:
		return nil, runs.Failf(runs.Usage, "name at most 16 fields", "--quasi: %d fields", len(texts))
	}
	all, err := Parse(texts)
	if err != nil {
		return nil, err
	}
	return &Gate{k: k, quasi: all, limit: maxHeld, groups: make(map[key]*group)}, nil
}

// Result is what a gate did.
type Result struct {
	Groups           uint64
	GroupsSuppressed uint64
	RowsSuppressed   uint64
	Nulled           uint64 // values that could not be made coarser
}

// Result is complete after the second pass.
func (g *Gate) Result() Result {
	return Result{g.counted, uint64(len(g.small)), g.suppressed.Load(), g.lost.Load()}
}

// A Reader looks at rows. One serves one goroutine.
type Reader struct {
	gate  *Gate
	extra []int // which extra column each quasi is, or -1
	buf   []byte
	made  []byte
}

// Reader makes one for rows with these columns.
func (g *Gate) Reader(columns []runs.Column) (*Reader, error) {
	r := &Reader{gate: g}
	for i := range g.quasi {
		q := &g.quasi[i]
		extra, at, found := 0, -1, false
		for _, c := range columns {
			if c.Name == q.name {
				found = true
				if c.Extra {
					at = extra
				}
			}
			if c.Extra {
				extra++
			}
		}
		if !found {
			return nil, runs.Failf(runs.Usage, "name a column that is exported, or metadata.NAME; see --columns", "--quasi %s: there is no such column", q.text)
		}
		r.extra = append(r.extra, at)
	}
	return r, nil
}

// generalise makes the fields of a row coarser and returns its group. The row's
// slices are replaced, not written into.
func (r *Reader) generalise(row *runs.Run, count bool) key {
	r.buf = appendValue(r.buf[:0], row.TenantID)
	edited := false
	for i := range r.gate.quasi {
		q := &r.gate.quasi[i]
		switch q.name {
		case "workflow_name":
			row.WorkflowName = q.string(row.WorkflowName)
			r.buf = appendValue(r.buf, row.WorkflowName)
		case "workflow_version":
			row.WorkflowVersion = q.string(row.WorkflowVersion)
			r.buf = appendValue(r.buf, row.WorkflowVersion)
		case "status":
			row.Status = q.string(row.Status)
			r.buf = appendValue(r.buf, row.Status)
		case "started_at":
			r.buf = q.appendTime(r.buf, &row.StartedAt)
		case "completed_at":
			r.buf = q.appendTime(r.buf, &row.CompletedAt)
		case "created_at":
			r.buf = q.appendTime(r.buf, &row.CreatedAt)
		case "duration_ms":
			r.buf = q.appendInt(r.buf, &row.DurationMS)
		case "steps_completed":
			r.buf = q.appendInt(r.buf, &row.StepsCompleted)
		case "steps_total":
			r.buf = q.appendInt(r.buf, &row.StepsTotal)
		case "metadata":
			if !edited {
				row.Metadata = bytes.Clone(row.Metadata)
				edited = true
			}
			row.Metadata = r.member(row.Metadata, q, count)
		default:
			if v := row.Extra[r.extra[i]]; v != nil {
				row.Extra[r.extra[i]] = r.coarse(q, v, count)
			}
			r.buf = appendValue(r.buf, row.Extra[r.extra[i]])
		}
	}
	sum := sha256.Sum256(r.buf)
	return key(sum[:16])
}

func (q *quasi) appendTime(dst []byte, t *runs.Time) []byte {
	q.time(t)
	return append(binary.BigEndian.AppendUint64(dst, uint64(t.Micros)), valid(t.Valid))
}

func (q *quasi) appendInt(dst []byte, n *runs.Int) []byte {
	q.int(n)
	return append(binary.BigEndian.AppendUint64(dst, uint64(n.N)), valid(n.Valid))
}

func valid(ok bool) byte {
	if ok {
		return 1
	}
	return 0
}

// appendValue appends a value so that no two lists of values are one text; nil
// is not the empty one.
func appendValue(dst, v []byte) []byte {
	dst = append(dst, valid(v != nil))
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}

// member makes each member of that name coarser, for a name may stand twice.
func (r *Reader) member(metadata []byte, q *quasi, count bool) []byte {
	at, found := 0, false
	r.made = r.made[:0]
	members(metadata, func(name []byte, start, end int) {
		if string(name) != q.member || start >= end {
			return
		}
		v := r.coarse(q, metadata[start:end], count)
		r.buf, found = appendValue(r.buf, v), true
		r.made = append(append(r.made, metadata[at:start]...), v...)
		at = end
	})
	if !found {
		r.buf = appendValue(r.buf, nil)
		return metadata
	}
	r.made = append(r.made, metadata[at:]...)
	return append(metadata[:0], r.made...)
}

func (r *Reader) coarse(q *quasi, v []byte, count bool) []byte {
	to := q.json(v)
	if count && bytes.Equal(to, null) && !bytes.Equal(v, null) {
		r.gate.lost.Add(1)
	}
	return to
}

// Count counts a row and the person it is about, empty if it names nobody. It
// changes the row.
func (r *Reader) Count(row *runs.Run, person string) error {
	k := r.generalise(row, false)
	g := r.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	have := g.groups[k]
	if have == nil {
		have = new(group)
		g.groups[k] = have
		g.held++
	}
	if person != "" && !have.full {
		g.named = true
		sum := sha256.Sum256([]byte(person))
		p := binary.BigEndian.Uint64(sum[:])
		if !slices.Contains(have.persons, p) {
			have.persons = append(have.persons, p)
			g.held++
		}
		if len(have.persons) >= g.k {
			g.held -= len(have.persons)
			have.persons, have.full = nil, true
		}
	}
	if g.held > g.limit {
		return runs.Failf(runs.Usage, "make them coarser with --quasi FIELD:GENERALISATION, or export less at once", "k-anonymity: more than %d groups and persons would be held in memory", g.limit)
	}
	return nil
}

// Counted ends the first pass.
func (g *Gate) Counted() error {
	if len(g.groups) > 0 && !g.named {
		return runs.Failf(runs.Usage, "say which field does with subject in the section mask of indelible.yaml", "k-anonymity: no row says whom it is about")
	}
	g.small = make(map[key]struct{})
	for k, have := range g.groups {
		if !have.full {
			g.small[k] = struct{}{}
		}
	}
	g.counted, g.groups = uint64(len(g.groups)), nil
	return nil
}

// Admit makes a row coarser and says whether it may be written.
func (r *Reader) Admit(row *runs.Run) bool {
	_, small := r.gate.small[r.generalise(row, true)]
	if small {
		r.gate.suppressed.Add(1)
	}
	return !small
}
