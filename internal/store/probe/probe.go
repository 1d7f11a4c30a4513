// Package probe tries out whether a store keeps what a ledger rests on, by
// objects of its own below probe/, and says in plain words what it can and
// cannot do.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"indelible/internal/store"
)

// Prefix begins the names of all objects a probe makes.
const Prefix = "probe/"

// Finding is the outcome of one trial.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Report is what a probe found.
type Report struct {
	Findings   []Finding `json:"findings"`
	Guarantees []string  `json:"guarantees"` // what the store is able to promise
	Limits     []string  `json:"limits"`     // what it is not
}

// OK reports that every trial came out as it should.
func (r Report) OK() bool {
	for _, f := range r.Findings {
		if !f.OK {
			return false
		}
	}
	return true
}

// Damager is a store that can be sent bytes under the checksum of others. It
// reports whether they were refused.
type Damager interface {
	CreateDamaged(ctx context.Context, name string, data []byte) (refused bool, err error)
}

// Locker is a store that can lock. LockMode is "COMPLIANCE", "GOVERNANCE", or
// empty when it is not to; Check says what is wrong with its settings.
type Locker interface {
	LockMode() string
	Check(ctx context.Context) error
}

// lockFor is how long a probe's locked object stays: long enough to try to
// delete it over a slow line, short enough to be gone at the next probe.
const lockFor = 30 * time.Second

// run is one probe of one store.
type run struct {
	ctx    context.Context
	store  store.Store
	base   string // names of this run begin with it
	made   []string
	report Report
}

// Run probes a store. A store that does not answer is a finding, too.
func Run(ctx context.Context, s store.Store) Report {
	var id [8]byte
	rand.Read(id[:])
	r := &run{ctx: ctx, store: s, base: Prefix + hex.EncodeToString(id[:]) + "/"}
	locker, canLock := s.(Locker)
	if canLock {
		err := locker.Check(ctx)
		r.note("settings", err == nil, "the bucket's settings fit", err)
	}
	if r.readBack() {
		r.secondCreate()
		r.staleReplace()
		if d, ok := s.(Damager); ok {
			r.damaged(d)
		}
		if canLock && locker.LockMode() != "" {
			r.locked()
		}
		r.clock()
		r.cleanUp()
	}
	r.words(canLock, locker)
	return r.report
}

func (r *run) note(name string, ok bool, good string, bad error) {
	f := Finding{Name: name, OK: ok, Detail: good}
	if !ok {
		f.Detail = bad.Error()
	}
	r.report.Findings = append(r.report.Findings, f)
}

func (r *run) name(last string) string {
	r.made = append(r.made, r.base+last)
	return r.base + last
}

func (r *run) readBack() bool {
	name, data := r.name("object"), []byte("probe of "+r.base)
	err := r.store.Create(r.ctx, name, data, time.Time{})
	if err == nil {
		var obj store.Object
		if obj, err = r.store.Read(r.ctx, name, store.ReadOptions{}); err == nil && !bytes.Equal(obj.Data, data) {
			err = fmt.Errorf("wrote %d bytes and read %d other ones", len(data), len(obj.Data))
		}
	}
	r.note("write and read", err == nil, "what was written is read back", err)
	return err == nil
}

func (r *run) secondCreate() {
	err := r.store.Create(r.ctx, r.base+"object", []byte("second"), time.Time{})
	if err == nil {
		err = errors.New("a second conditional create of one name succeeded: two writers could both believe that they wrote a segment; do not use this store")
	}
	r.note("second create refused", errors.Is(err, store.ErrExist), "a name once taken stays taken", err)
}

func (r *run) staleReplace() {
	name := r.name("replaced")
	err := r.store.Replace(r.ctx, name, []byte("one"), "")
	var first store.Object
	if err == nil {
		first, err = r.store.Read(r.ctx, name, store.ReadOptions{})
	}
	if err == nil {
		err = r.store.Replace(r.ctx, name, []byte("two"), first.ETag)
	}
	if err == nil {
		err = r.store.Replace(r.ctx, name, []byte("three"), first.ETag)
		if err == nil {
			err = errors.New("a replacement of a version that was gone succeeded: the checkpoint could fall back")
		}
	}
	r.note("stale replace refused", errors.Is(err, store.ErrChanged), "an object is replaced only over the version that was read", err)
}

func (r *run) damaged(d Damager) {
	refused, err := d.CreateDamaged(r.ctx, r.name("damaged"), []byte("damaged"))
	if err == nil && !refused {
		err = errors.New("bytes under a wrong checksum were taken: what is damaged on the way is not noticed before it is read")
	}
	r.note("wrong checksum refused", err == nil, "bytes damaged on the way are refused", err)
}

func (r *run) clock() {
	c, ok := r.store.(store.Clocked)
	if !ok {
		return
	}
	skew, known := c.Skew()
	if !known {
		r.note("clock", false, "", errors.New("the store does not tell its time"))
		return
	}
	r.note("clock", skew.Abs() < 5*time.Minute, fmt.Sprintf("the store's clock is %v ahead of ours", skew.Round(time.Second)),
		fmt.Errorf("the store's clock is %v ahead of ours: set the clock of this machine", skew.Round(time.Second)))
}
