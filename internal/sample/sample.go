// Package sample makes plausible audit events of a workflow platform, for
// trying things out. The same seed gives the same events.
package sample

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"indelible"
)

// Start is when the first sample event may happen. It is fixed, so that the
// events do not depend on the day they are made.
var Start = time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)

// Events makes n events in the order of their time. Each is the caller's to
// keep. They are valid and have an id.
func Events(seed uint64, n int) iter.Seq[*indelible.Event] {
	return func(yield func(*indelible.Event) bool) {
		m := maker{rng: rand.New(rand.NewPCG(seed, 0x696e64656c69626c)), now: Start}
		for range n {
			if !yield(m.event()) {
				return
			}
		}
	}
}

type maker struct {
	rng *rand.Rand
	now time.Time
	buf []byte
}

// perHour is how many events an hour has on a working day. The nightly runs
// make the small peak at two.
var perHour = [24]float64{14, 16, 42, 20, 12, 14, 24, 60, 120, 170, 190, 180, 130, 160, 185, 180, 165, 120, 70, 45, 35, 30, 24, 18}

// tick moves the clock to the next event. The intervals of independent events
// are exponential.
func (m *maker) tick() time.Time {
	rate := perHour[m.now.Hour()]
	if day := m.now.Weekday(); day == time.Saturday || day == time.Sunday {
		rate *= 0.3
	}
	m.now = m.now.Add(time.Duration(m.rng.ExpFloat64() / rate * float64(time.Hour)).Truncate(time.Microsecond))
	return m.now
}

func (m *maker) event() *indelible.Event {
	kind := &kinds[pickKind[m.rng.IntN(len(pickKind))]]
	tenant := &tenants[pickTenant[m.rng.IntN(len(pickTenant))]]
	e := &indelible.Event{
		Timestamp:    m.tick(),
		ID:           m.id(),
		EventType:    kind.eventType,
		TenantID:     tenant.id,
		ResourceType: kind.resourceType,
		ResourceID:   m.numbered(kind.prefix, 1+m.rng.IntN(kind.resources)),
		Action:       kind.actions[m.rng.IntN(len(kind.actions))],
		Outcome:      "success",
	}
	failed := m.rng.IntN(100) < kind.failures
	if failed {
		e.Outcome = "failure"
	}
	if service := m.rng.IntN(100) < kind.byService; service {
		e.UserID = services[m.rng.IntN(len(services))]
		e.UserAgent = programs[m.rng.IntN(len(programs))]
	} else {
		e.UserID = tenant.users[m.rng.IntN(len(tenant.users))]
		e.UserAgent = agents[m.rng.IntN(len(agents))]
	}
	e.SourceIP = m.address()
	m.buf = kind.details(m, m.buf[:0], failed)
	e.Details = append(make(json.RawMessage, 0, len(m.buf)), m.buf...)
	return e
}

// id makes a UUID version 8 (RFC 9562 §5.8): random bits from the seed.
func (m *maker) id() string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], m.rng.Uint64())
	binary.BigEndian.PutUint64(raw[8:], m.rng.Uint64())
	raw[6] = raw[6]&0x0F | 0x80
	raw[8] = raw[8]&0x3F | 0x80
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// address draws from the ranges for documentation, RFC 5737 and RFC 3849.
func (m *maker) address() string {
	if m.rng.IntN(5) > 0 {
		return m.numbered("192.0.2.", 1+m.rng.IntN(254))
	}
	b := append(make([]byte, 0, 24), "2001:db8::"...)
	b = strconv.AppendUint(b, uint64(1+m.rng.IntN(0xFFFE)), 16)
	return string(b)
}

func (m *maker) numbered(prefix string, n int) string {
	b := append(make([]byte, 0, 24), prefix...)
	return string(strconv.AppendInt(b, int64(n), 10))
}
