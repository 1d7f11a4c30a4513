package govern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/seal"
)

// RetentionKeys is what retention needs of the key store of an encrypted log.
type RetentionKeys interface {
	Periods(ctx context.Context, class string) ([]uint32, error)
	ExpirableExcept(ctx context.Context, class string, period uint32, kept []indelible.Ref) ([]indelible.ID, error)
	Standing(ctx context.Context, id indelible.ID) (seal.Standing, error)
}

// Classifier says of an event that can be read which class it belongs to, for
// logs that are not encrypted.
type Classifier func(payload []byte) (class string, err error)

// Retention judges what of a log may go, as of a time.
type Retention struct {
	Decided ledger.Decided
	Keys    RetentionKeys   // nil: the log is not encrypted
	Class   Classifier      // where it is not
	Tenants []indelible.Ref // by number − 1
	Now     time.Time

	standing map[indelible.ID]bool // data keys seen: true if what they sealed may go
}

// KeyPeriod is keys of one class from one month.
type KeyPeriod struct {
	Class  string         `json:"class"`
	Period string         `json:"period"`
	Until  time.Time      `json:"until"` // when their time was over
	Keys   []indelible.ID `json:"-"`
	Count  int            `json:"keys"`
	Held   []indelible.ID `json:"held,omitempty"` // holds that keep keys of it
}

// policy is what is in force; a log that records none keeps everything.
func (r *Retention) policy() *indelible.Retention { return r.Decided.Retention }

// until is when the time of a class from a month is over.
func (r *Retention) until(class string, period uint32) time.Time {
	end := time.Date(int(period/100), time.Month(period%100)+1, 1, 0, 0, 0, 0, time.UTC)
	return end.AddDate(0, 0, int(r.policy().Days(class)))
}

// margin is by how much what a hold says of commit times is widened to times of
// sealing: a record can wait in the journal for its promised time.
const margin = indelible.MergeWithin + time.Hour

// heldIn says which holds keep something from a span of time: all of it, or the
// tenants named. A hold on a person keeps the tenant's: what is sealed does not
// show whose it is.
func (r *Retention) heldIn(begin, end time.Time) (all bool, tenants []indelible.Ref, holds []indelible.ID) {
	for _, h := range r.Decided.Holds {
		if h.From != nil && !end.Add(margin).After(time.UnixMilli(*h.From)) || h.Until != nil && !begin.Add(-margin).Before(time.UnixMilli(*h.Until)) {
			continue
		}
		holds = append(holds, h.ID)
		if h.Tenant == nil {
			all = true
		} else {
			tenants = append(tenants, *h.Tenant)
		}
	}
	return all, tenants, holds
}

// classes are those the policy names.
func (r *Retention) classes() []string {
	classes := []string{indelible.DefaultClass}
	for _, rule := range r.policy().Rules {
		classes = append(classes, rule.Class)
	}
	return classes
}

// KeysToGo lists the keys whose time is over, and what holds keep of them.
func (r *Retention) KeysToGo(ctx context.Context) (list []KeyPeriod, err error) {
	if r.Keys == nil || r.policy() == nil {
		return nil, nil
	}
	for _, class := range r.classes() {
		periods, err := r.Keys.Periods(ctx, class)
		if err != nil {
			return nil, err
		}
		for _, period := range periods {
			until := r.until(class, period)
			if r.Now.Before(until) {
				continue
			}
			begin := time.Date(int(period/100), time.Month(period%100), 1, 0, 0, 0, 0, time.UTC)
			all, tenants, holds := r.heldIn(begin, begin.AddDate(0, 1, 0))
			p := KeyPeriod{Class: class, Period: begin.Format("2006-01"), Until: until, Held: holds}
			if !all {
				if p.Keys, err = r.Keys.ExpirableExcept(ctx, class, period, tenants); err != nil {
					return nil, err
				}
			}
			p.Count = len(p.Keys)
			list = append(list, p)
		}
	}
	return list, nil
}

// SegmentRun is consecutive segments that hold nothing live.
type SegmentRun struct {
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Segments uint64 `json:"segments"`
	Events   uint64 `json:"events"`
	Bytes    uint64 `json:"bytes"`

	hash indelible.Hash
	time int64
}

// maxRun is how many segments one expired leaf names.
const maxRun = 1000

// SegmentsToGo yields runs of segments that hold nothing live, oldest first.
// goingToo says that keys whose time is over count as destroyed: for a plan.
func (r *Retention) SegmentsToGo(ctx context.Context, olds iter.Seq2[ledger.Old, error], goingToo bool) iter.Seq2[SegmentRun, error] {
	r.standing = make(map[indelible.ID]bool)
	return func(yield func(SegmentRun, error) bool) {
		var run *SegmentRun
		flush := func() bool {
			ok := run == nil || yield(*run, nil)
			run = nil
			return ok
		}
		for old, err := range olds {
			var dead bool
			if err == nil {
				dead, err = r.dead(ctx, &old, goingToo)
			}
			if err != nil {
				yield(SegmentRun{}, err)
				return
			}
			follows := run != nil && old.Seq == run.Last+1 && run.Segments < maxRun
			if (!dead || !follows) && !flush() {
				return
			}
			if !dead {
				continue
			}
			if run == nil {
				run = &SegmentRun{First: old.Seq}
			}
			run.Last, run.hash, run.time = old.Seq, old.Hash, old.Time
			run.Segments++
			run.Bytes += uint64(old.Size)
			for leaf := range old.Entries() {
				if leaf.Kind.Recorded() {
					run.Events++
				}
			}
		}
		flush()
	}
}

// dead reports whether a segment holds no event that is to be kept. The first
// one stays: the log begins with it.
func (r *Retention) dead(ctx context.Context, old *ledger.Old, goingToo bool) (bool, error) {
	at := time.UnixMilli(old.Time)
	all, tenants, _ := r.heldIn(at, at)
	if old.Seq == 0 || all || len(old.Voids) > 0 {
		return false, nil
	}
	for leaf, payload := range old.Entries() {
		if !leaf.Kind.Recorded() {
			continue // its payload is repeated in a heads object
		}
		if no := leaf.TenantNo; no == 0 || no > uint64(len(r.Tenants)) || slices.Contains(tenants, r.Tenants[no-1]) {
			return false, nil
		}
		dead, err := r.deadPayload(ctx, &leaf, payload, goingToo)
		if err != nil || !dead {
			return false, err
		}
	}
	return true, nil
}

func (r *Retention) deadPayload(ctx context.Context, leaf *indelible.Leaf, payload []byte, goingToo bool) (bool, error) {
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		return false, nil // not for us to delete
	}
	if p.Parts[0].Alg == indelible.AlgNone {
		class, err := r.Class(payload)
		if err != nil {
			return false, nil
		}
		at := time.UnixMilli(leaf.Time).UTC()
		return !r.Now.Before(r.until(class, uint32(at.Year()*100)+uint32(at.Month()))), nil
	}
	id := indelible.ID(p.Parts[0].KeyID)
	if dead, seen := r.standing[id]; seen {
		return dead, nil
	}
	if r.Keys == nil {
		return false, nil
	}
	s, err := r.Keys.Standing(ctx, id)
	if errors.Is(err, seal.ErrNoKey) {
		return false, nil // somebody may have it
	}
	if err != nil {
		return false, err
	}
	dead := !s.Live
	if !dead && goingToo {
		begin := time.Date(int(s.Period/100), time.Month(s.Period%100), 1, 0, 0, 0, 0, time.UTC)
		all, tenants, _ := r.heldIn(begin, begin.AddDate(0, 1, 0))
		dead = !all && !slices.Contains(tenants, s.Tenant) && !r.Now.Before(r.until(s.Class, s.Period))
	}
	r.standing[id] = dead
	return dead, nil
}

// Before is the commit time before which a segment can have expired at all, in ms.
func (r *Retention) Before() int64 {
	return r.Now.UTC().AddDate(0, 0, -int(r.policy().Shortest())).UnixMilli()
}

// Expired is the content of the expired leaf for a run.
func (s *SegmentRun) Expired(policy uint64) indelible.Expired {
	return indelible.Expired{First: s.First, Last: s.Last, Hash: s.hash, Time: s.time, Policy: policy, Reason: "retention"}
}

// fences are the fences for keys whose time is over.
func fences(p KeyPeriod, policy uint64) (list []indelible.Fence) {
	keys := slices.SortedFunc(slices.Values(p.Keys), func(a, b indelible.ID) int { return cmp.Compare(string(a[:]), string(b[:])) })
	for part := range slices.Chunk(keys, indelible.MaxFenceKeys) {
		list = append(list, indelible.Fence{Keys: part, Expired: &indelible.ExpiredKeys{Class: p.Class, Period: p.Period, Policy: policy}})
	}
	return list
}

// Retained is what one step of `retention run` did.
type Retained struct {
	Policy   bool `json:"policy,omitempty"` // a policy was recorded
	Keys     int  `json:"keys"`             // destroyed
	Expired  int  `json:"expired"`          // segments named by expired leaves
	Removed  int  `json:"removed"`          // segments deleted
	Locked   int  `json:"locked"`           // segments whose lock has not ended
	Finished bool `json:"finished"`         // there is nothing more to do now
}

// stepSegments is how many segments one step deletes, and stepExpired how many it
// names at most before it makes way for another: judging reads what is old.
const (
	stepSegments = 500
	stepExpired  = 20 * maxRun
)

// retain does one step of what retention asks for, and says whether there is
// more to do. Whatever step it is cut short at, the next one goes on from there.
func (x *Executor) retain(ctx context.Context) (done Retained, err error) {
	if done.Policy, err = x.recordPolicy(ctx); err != nil || done.Policy {
		return done, err
	}
	if x.Log.Decided().Retention == nil {
		// Nothing expires before a policy says so, in the log.
		return done, x.decide(ctx, indelible.KindPolicy, indelible.Policy{Retention: &indelible.Retention{Default: indelible.DefaultDays}})
	}
	if err := x.publish(ctx); err != nil {
		return done, err
	}
	if _, err := x.holdInStore(ctx); err != nil {
		return done, err
	}
	r, olds, err := x.Judge(ctx)
	if err != nil {
		return done, err
	}
	periods, err := r.KeysToGo(ctx)
	if err != nil {
		return done, err
	}
	for _, p := range periods {
		for _, f := range fences(p, r.Decided.RetentionAt) {
			if err := x.decide(ctx, indelible.KindFence, f); err != nil {
				return done, err
			}
			done.Keys += len(f.Keys)
		}
	}
	if done.Keys > 0 {
		return done, nil
	}
	for run, err := range r.SegmentsToGo(ctx, olds, false) {
		if err != nil {
			return done, err
		}
		if slices.ContainsFunc(r.Decided.Expired, func(e ledger.Expiry) bool { return e.First <= run.Last && e.Last >= run.First }) {
			continue // named before, and not deleted yet
		}
		if err := x.decide(ctx, indelible.KindExpired, run.Expired(r.Decided.RetentionAt)); err != nil {
			return done, err
		}
		if done.Expired += int(run.Segments); done.Expired >= stepExpired {
			return done, nil
		}
	}
	if done.Expired > 0 {
		return done, nil
	}
	done.Removed, done.Locked, err = x.Log.RemoveExpired(ctx, stepSegments)
	if err != nil {
		return done, fmt.Errorf("delete what expired: %w", err)
	}
	done.Finished = done.Removed < stepSegments
	return done, nil
}

// recordPolicy records what indelible.yaml says, where it keeps nothing for less
// time than before. A log without tenants has kept nothing yet.
func (x *Executor) recordPolicy(ctx context.Context) (bool, error) {
	want, err := x.Policy()
	if err != nil || want == nil {
		return false, err
	}
	before := x.Log.Decided().Retention
	if before != nil && (before.Same(want) || want.Shortens(before)) {
		return false, nil
	}
	if before == nil && x.Log.Tenants() > 0 && want.Shortens(&indelible.Retention{Default: indelible.DefaultDays}) {
		return false, nil
	}
	return true, x.decide(ctx, indelible.KindPolicy, indelible.Policy{Retention: want})
}
