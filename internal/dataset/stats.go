package dataset

import (
	"sync"

	"indelible/internal/runs"
)

// stats are counted while rows go by: what a reader wants to know before
// opening a file. Every reader counts for itself.
type stats struct {
	mu       sync.Mutex
	columns  []runs.Column
	rows     uint64
	nulls    []uint64
	statuses map[string]*uint64
	duration extent
}

// extent is the range and the sum of numbers.
type extent struct {
	n, sum   uint64
	min, max int64
}

// maxStatuses bounds what is counted apart: a column may hold anything.
const maxStatuses = 1000

func newStats(columns []runs.Column) *stats {
	return &stats{columns: columns, nulls: make([]uint64, len(columns)), statuses: map[string]*uint64{}}
}

func (s *stats) part() *stats { return newStats(s.columns) }

func (s *stats) add(r *runs.Run) {
	s.rows++
	for i := range s.columns {
		if isNull(r, &s.columns[i], i, len(s.columns)) {
			s.nulls[i]++
		}
	}
	if n := s.statuses[string(r.Status)]; n != nil {
		*n++
	} else if r.Status != nil && len(s.statuses) < maxStatuses {
		one := uint64(1)
		s.statuses[string(r.Status)] = &one
	}
	if d := r.DurationMS; d.Valid {
		s.duration.add(extent{1, uint64(d.N), d.N, d.N})
	}
}

func isNull(r *runs.Run, c *runs.Column, at, columns int) bool {
	switch c.Name {
	case "id":
		return r.ID == nil
	case "tenant_id":
		return r.TenantID == nil
	case "workflow_name":
		return r.WorkflowName == nil
	case "workflow_version":
		return r.WorkflowVersion == nil
	case "status":
		return r.Status == nil
	case "started_at":
		return !r.StartedAt.Valid
	case "completed_at":
		return !r.CompletedAt.Valid
	case "duration_ms":
		return !r.DurationMS.Valid
	case "steps_completed":
		return !r.StepsCompleted.Valid
	case "steps_total":
		return !r.StepsTotal.Valid
	case "error_message":
		return r.ErrorMessage == nil
	case "metadata":
		return r.Metadata == nil
	case "created_at":
		return !r.CreatedAt.Valid
	}
	// Extra columns are the last ones.
	extra := len(r.Extra) - (columns - at)
	return extra >= 0 && extra < len(r.Extra) && r.Extra[extra] == nil
}

func (e *extent) add(o extent) {
	if o.n == 0 {
		return
	}
	if e.n == 0 || o.min < e.min {
		e.min = o.min
	}
	if e.n == 0 || o.max > e.max {
		e.max = o.max
	}
	e.n += o.n
	e.sum += o.sum
}

func (s *stats) merge(part *stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows += part.rows
	for i, n := range part.nulls {
		s.nulls[i] += n
	}
	for status, n := range part.statuses {
		if have := s.statuses[status]; have != nil {
			*have += *n
		} else {
			s.statuses[status] = n
		}
	}
	s.duration.add(part.duration)
}

// statsDocument is stats.json.
type statsDocument struct {
	Rows     uint64            `json:"rows"`
	Nulls    map[string]uint64 `json:"nulls"`
	Statuses map[string]uint64 `json:"statuses"`
	Duration *statsExtent      `json:"duration_ms,omitempty"`
}

type statsExtent struct {
	Rows uint64  `json:"rows"`
	Min  int64   `json:"min"`
	Max  int64   `json:"max"`
	Mean float64 `json:"mean"`
}

func (s *stats) document() *statsDocument {
	d := &statsDocument{Rows: s.rows, Nulls: map[string]uint64{}, Statuses: map[string]uint64{}}
	for i, c := range s.columns {
		d.Nulls[c.Name] = s.nulls[i]
	}
	for status, n := range s.statuses {
		d.Statuses[status] = *n
	}
	if e := s.duration; e.n > 0 {
		d.Duration = &statsExtent{e.n, e.min, e.max, float64(e.sum) / float64(e.n)}
	}
	return d
}
