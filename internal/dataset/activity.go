package dataset

import (
	"slices"
	"sync"
	"time"
)

// Shard is a part of the table that is being read.
type Shard struct {
	Number, Of int   // from 1
	Rows       int64 // so far
	Total      int64 // about; 0: not known
	Took       time.Duration
}

// activity knows which shards are being read, and how far they are.
type activity struct {
	now func() time.Time

	mu     sync.Mutex
	shards []*Shard
	begun  map[*Shard]time.Time
}

func newActivity(now func() time.Time) *activity {
	return &activity{now: now, begun: map[*Shard]time.Time{}}
}

// begin says that a shard is read, with total rows of all of them. What it
// returns takes the rows that were read, and ends it.
func (a *activity) begin(n, of int, total int64) (add func(rows int), end func()) {
	s := &Shard{Number: n + 1, Of: of, Total: total / int64(of)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shards, a.begun[s] = append(a.shards, s), a.now()
	return func(rows int) {
			a.mu.Lock()
			defer a.mu.Unlock()
			s.Rows += int64(rows)
		}, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.shards = slices.DeleteFunc(a.shards, func(other *Shard) bool { return other == s })
			delete(a.begun, s)
		}
}

// list is what is being read, in the order of the table.
func (a *activity) list() (list []Shard) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, s := range a.shards {
		one := *s
		one.Took = now.Sub(a.begun[s])
		list = append(list, one)
	}
	slices.SortFunc(list, func(x, y Shard) int { return x.Number - y.Number })
	return list
}
