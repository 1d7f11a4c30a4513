package sample

import (
	"math"
	"strconv"
)

// A failure is a way to fail and what is said about it.
type failure struct {
	timeout bool
	write   func(m *maker, b []byte, j job) []byte
}

var failures = []failure{
	{false, func(m *maker, b []byte, _ job) []byte {
		b = append(b, "upstream answered 503 after "...)
		return append(m.number(b, 2, 6), " attempts"...)
	}},
	{true, func(m *maker, b []byte, _ job) []byte {
		b = append(b, "step timed out after "...)
		return append(m.number(b, 30, 900), " s"...)
	}},
	{false, func(m *maker, b []byte, _ job) []byte {
		b = append(b, "worker stopped: memory limit of "...)
		return append(m.number(b, 2, 32), " GiB reached\n  at step.run (step.py:214)\n  at pool.map (pool.py:77)"...)
	}},
	{false, func(m *maker, b []byte, j job) []byte { // with a person in it, as it happens
		people := tenants[j.tenant].people
		b = append(b, "could not deliver to "...)
		b = append(b, people[m.rng.IntN(len(people))]...)
		b = append(b, " from 192.0.2."...)
		return append(m.number(b, 1, 254), ": mailbox full"...)
	}},
	{false, func(m *maker, b []byte, _ job) []byte {
		b = append(b, `column "amount" is not a number in row `...)
		return append(m.number(b, 2, 90_000), ": '1.234,56 €'"...)
	}},
	{false, func(m *maker, b []byte, _ job) []byte {
		b = append(b, "quota of "...)
		return append(m.number(b, 10, 80), " parallel runs is used up"...)
	}},
}

func (m *maker) cancelled(b []byte, j job) []byte {
	b = append(b, "cancelled by "...)
	if j.by == "" {
		return append(b, "the scheduler"...)
	}
	return append(b, j.by...)
}

// describe writes the metadata: members in the order of jsonb, the shorter name
// first, then by bytes.
func (m *maker) describe(b []byte, j job, w *workflow, pool int, duration int64, load float64) []byte {
	b = append(b, `{"node":"worker-`...)
	b = m.number(b, 1, 64)
	if n := m.rng.IntN(100); n < 2*len(notes) && n%2 == 0 {
		b = append(b, `","note":"`...)
		b = append(b, notes[n/2]...)
	}
	b = append(b, `","pool":"`...)
	b = append(b, pools[pool]...)
	b = append(b, `","tags":[`...)
	first := m.rng.IntN(len(tags))
	b = append(b, tags[first]...)
	if second := m.rng.IntN(len(tags)); second > first {
		b = append(append(b, ','), tags[second]...)
	}
	b = append(b, `],"queue":"`...)
	b = append(b, queues[m.rng.IntN(len(queues))]...)
	b = append(b, `","region":"`...)
	b = append(b, regions[m.rng.IntN(len(regions))]...)
	b = append(b, `","attempt":`...)
	b = strconv.AppendInt(b, int64(j.attempt), 10)
	if j.by == "" {
		b = append(b, `,"trigger":"schedule"`...)
	} else {
		b = append(b, `,"trigger":"manual"`...)
	}
	if j.attempt > 1 {
		b = append(b, `,"retry_of":"`...)
		b = append(b, j.of[:]...)
		b = append(b, '"')
	}
	seconds := float64(duration) / 1000
	b = append(b, `,"resources":{"bytes_read":`...)
	b = strconv.AppendInt(b, int64(seconds*1e6*(0.2+m.rng.Float64())), 10)
	b = append(b, `,"cpu_seconds":`...)
	b = strconv.AppendFloat(b, seconds*w.cores*(0.8+0.4*m.rng.Float64()), 'f', 2, 64)
	b = append(b, `,"bytes_written":`...)
	b = strconv.AppendInt(b, int64(seconds*4e5*m.rng.Float64()), 10)
	b = append(b, `,"memory_peak_mb":`...)
	b = strconv.AppendInt(b, int64(w.megabytes*math.Exp(0.25*load)), 10)
	b = append(b, '}')
	if j.by != "" {
		b = append(b, `,"requested_by":"`...)
		b = append(b, j.by...)
		b = append(b, '"')
	}
	return append(b, '}')
}

// number writes a whole number from low to high; small ones are more frequent.
func (m *maker) number(b []byte, low, high int) []byte {
	x := m.rng.Float64()
	return strconv.AppendInt(b, int64(low)+int64(x*x*float64(high-low+1)), 10)
}
