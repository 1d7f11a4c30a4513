// Package sample makes plausible workflow runs, for trying things out: the same
// seed gives the same runs.
package sample

import (
	"container/heap"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"indelible/internal/runs"
)

// Start is when the first run may be created. It is fixed, so that the runs do
// not depend on the day they are made.
var Start = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

// Runs makes n runs in the order they were created. Each is the caller's until
// the next. Their metadata have the members in the order jsonb keeps them.
func Runs(seed uint64, n int) iter.Seq[*runs.Run] {
	return func(yield func(*runs.Run) bool) {
		m := maker{rng: rand.New(rand.NewPCG(seed, 0x776f726b666c6f77)), now: Start.UnixMicro()}
		for i := range n {
			if !yield(m.next(n - i)) {
				return
			}
		}
	}
}

const (
	second = 1_000_000 // microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

type maker struct {
	rng      *rand.Rand
	now      int64
	retries  retries
	incident incident
	run      runs.Run
	id       [36]byte
	version  []byte
	message  []byte
	metadata []byte
}

// A job is a run to be made: a new one, or one that failed and is tried again.
type job struct {
	created  int64
	workflow int
	tenant   int
	attempt  int
	of       [36]byte // the id of the first attempt
	by       string   // who asked for it; empty for a schedule
}

// retries are the jobs that are waiting, the next one first.
type retries []job

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].created < r[j].created }
func (r retries) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *retries) Push(x any)        { *r = append(*r, x.(job)) }
func (r *retries) Pop() any {
	last := len(*r) - 1
	j := (*r)[last]
	*r = (*r)[:last]
	return j
}

// An incident makes the runs of one workflow, or of a whole pool, fail in the
// same way for a while.
type incident struct {
	from, until int64
	workflow    int // -1: every workflow of the pool
	pool        int
	failure     int
}

// perHour is how many runs an hour has on a working day: nightly batches at two,
// and people's working hours.
var perHour = [24]float64{300, 350, 1100, 620, 300, 260, 300, 420, 700, 980, 1050, 1000, 720, 860, 980, 940, 860, 640, 420, 330, 300, 290, 280, 300}

func (m *maker) tick() {
	at := time.UnixMicro(m.now).UTC()
	rate := perHour[at.Hour()]
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		rate *= 0.35
	}
	m.now += 1 + int64(m.rng.ExpFloat64()/rate*hour)
}

// job is the next one to run.
func (m *maker) job() job {
	if len(m.retries) > 0 && m.retries[0].created <= m.now {
		return heap.Pop(&m.retries).(job)
	}
	m.tick()
	if len(m.retries) > 0 && m.retries[0].created <= m.now {
		return heap.Pop(&m.retries).(job)
	}
	j := job{created: m.now, workflow: pick(m.rng, workflowShares), tenant: pick(m.rng, tenantShares), attempt: 1}
	if m.rng.IntN(100) < workflows[j.workflow].byHand {
		people := tenants[j.tenant].people
		j.by = people[m.rng.IntN(len(people))]
	}
	return j
}

// next makes a run; so many are left, it included.
func (m *maker) next(left int) *runs.Run {
	j := m.job()
	w := &workflows[j.workflow]
	r := &m.run
	*r = runs.Run{}
	m.newID()
	r.ID = m.id[:]
	r.TenantID = []byte(tenants[j.tenant].id)
	r.WorkflowName = []byte(w.name)
	release := j.created / (w.releaseDays * day) // how often this workflow was released since 1970
	m.version = strconv.AppendInt(append(m.version[:0], "3."...), release-Start.UnixMicro()/(w.releaseDays*day), 10)
	r.WorkflowVersion = append(m.version, ".0"...)
	r.CreatedAt = runs.Time{Micros: j.created, Valid: true}
	r.StepsTotal = runs.Int{N: int64(w.steps), Valid: true}
	if j.attempt == 1 {
		j.of = m.id
	}

	pool := m.rng.IntN(len(pools))
	failure, fails := m.fails(j, pool, j.created%(w.releaseDays*day) < 8*hour)
	load := m.rng.NormFloat64()
	duration := int64(math.Exp(w.logDuration + w.spread*load)) // milliseconds
	m.message = m.message[:0]
	queued := int64(m.rng.ExpFloat64() * 4 * second)
	started := j.created + queued
	done := int64(w.steps)
	switch {
	case left <= 400 && m.rng.IntN(400) >= left: // the last ones are not over
		r.Status, done = []byte("running"), int64(m.rng.IntN(w.steps))
		duration = 0
	case m.rng.IntN(1000) < 12:
		r.Status, done = []byte("cancelled"), int64(m.rng.IntN(w.steps))
		duration = duration*done/int64(w.steps) + 1
		if m.rng.IntN(2) == 0 {
			m.message = m.cancelled(m.message, j)
		}
	case m.rng.IntN(1000) < 6: // never started
		r.Status, done, duration = []byte("skipped"), 0, 0
	case fails:
		r.Status, done = []byte("failed"), int64(m.rng.IntN(w.steps))
		duration = duration*(done+1)/int64(w.steps) + 1
		if failures[failure].timeout {
			r.Status, duration = []byte("timeout"), 4*int64(math.Exp(w.logDuration))+30_000
		}
		m.message = failures[failure].write(m, m.message, j)
		m.again(j, started+duration*1000)
	default:
		r.Status = []byte("completed")
	}
	r.StepsCompleted = runs.Int{N: done, Valid: true}
	if len(m.message) > 0 {
		r.ErrorMessage = m.message
	}
	if string(r.Status) != "skipped" {
		r.StartedAt = runs.Time{Micros: started, Valid: true}
	}
	if string(r.Status) != "running" {
		r.CompletedAt = runs.Time{Micros: started + duration*1000, Valid: true}
		r.DurationMS = runs.Int{N: duration, Valid: true}
	}
	m.metadata = m.describe(m.metadata[:0], j, w, pool, duration, load)
	r.Metadata = m.metadata
	return r
}

// again puts a failed run back, with a growing pause, up to three attempts.
func (m *maker) again(j job, ended int64) {
	if j.attempt == 3 || m.rng.IntN(100) >= 70 {
		return
	}
	j.created = ended + int64(j.attempt*j.attempt)*30*second
	j.attempt++
	heap.Push(&m.retries, j)
}

// fails decides whether and how a run fails: rarely, more often after a release,
// and mostly in an incident.
func (m *maker) fails(j job, pool int, fresh bool) (failure int, fails bool) {
	if m.now > m.incident.until {
		from := m.now + int64(m.rng.ExpFloat64()*9*hour)
		m.incident = incident{from, from + 20*minute + int64(m.rng.ExpFloat64()*2*hour), -1, m.rng.IntN(len(pools)), m.rng.IntN(len(failures))}
		if m.rng.IntN(3) > 0 {
			m.incident.workflow = m.rng.IntN(len(workflows))
		}
	}
	i := &m.incident
	if j.created >= i.from && j.created < i.until && (i.workflow == j.workflow || i.workflow < 0 && i.pool == pool) {
		return i.failure, m.rng.IntN(100) < 65
	}
	chance := workflows[j.workflow].failures
	if fresh {
		chance *= 2
	}
	return m.rng.IntN(len(failures)), m.rng.IntN(1000) < chance
}

// newID makes a UUID version 8 (RFC 9562 §5.8): random bits from the seed.
func (m *maker) newID() {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], m.rng.Uint64())
	binary.BigEndian.PutUint64(raw[8:], m.rng.Uint64())
	raw[6] = raw[6]&0x0F | 0x80
	raw[8] = raw[8]&0x3F | 0x80
	hex.Encode(m.id[:8], raw[:4])
	hex.Encode(m.id[9:13], raw[4:6])
	hex.Encode(m.id[14:18], raw[6:8])
	hex.Encode(m.id[19:23], raw[8:10])
	hex.Encode(m.id[24:], raw[10:])
	m.id[8], m.id[13], m.id[18], m.id[23] = '-', '-', '-', '-'
}
