package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/store"
)

// VerifyOptions say what a verification trusts and how far it goes.
type VerifyOptions struct {
	VerifierKey string // from outside the store
	OwnKey      bool   // the key is the ledger's own log.vkey: a misfit is tampering

	Trusted *Checkpoint // seen before, to be continued by this log
	// Recall returns the checkpoint accepted last under a key, or nil. Without
	// Trusted it is asked for the key given and for all the log names.
	Recall func(vkey string) *Checkpoint
	MaxAge time.Duration // of the newest heads leaf; 0: any
	Policy []byte        // C2SP tlog-policy whose cosignatures the checkpoint must carry; nil: none
	Locked bool          // the ledger locks what it writes: say where a lock is missing
	Range  *Range        // nil: everything

	IDKey  *[32]byte // to check event references; nil: not checked
	Opener Opener    // to look into payloads; nil: not opened

	Workers  int
	Clock    func() time.Time
	Progress func(done, total uint64) // leaves
}

// Opener looks into payloads, as far as keys allow: what cannot be opened for
// want of a key is an error that is indelible.ErrSealed.
type Opener interface {
	OpenTenant(payload []byte) (indelible.Tenant, error)
	// EventIdentity reads an event's tenant and id; they may be slices of payload.
	EventIdentity(payload []byte) (tenantID, eventID []byte, err error)
	// EventTenant reads the tenant alone.
	EventTenant(payload []byte) ([]byte, error)
	// PartKeys returns the keys of the first n parts of a payload that is
	// encrypted, as far as there are any.
	PartKeys(payload []byte, n int) ([]indelible.PartKeys, error)
}

// verifier is one verification under way.
type verifier struct {
	st    store.Store
	opt   VerifyOptions
	names *inventory

	mu     sync.Mutex
	report *Report

	checkpoint *Checkpoint
	state      *state
	roots      map[uint64]indelible.Hash     // of trees that were published
	sizes      []uint64                      // of these trees, in order
	tenants    map[string]uint64             // row by name
	system     []bool                        // by tenant number − 1
	known      atomic.Pointer[[]tenantCheck] // tenantKeys, for those who read ahead
	lost       []lostSlots
	gone       map[uint64]lostSegment    // by slot: those whose leaves were taken from the tree
	before     map[uint64]indelible.Hash // of a segment that is gone, as the next one names it
	stuck      bool                      // segments that remain cannot be placed
	rooms      chan room                 // for segments, to be used again

	compare *comparer

	unlocked      int // objects without the lock they should have
	firstUnlocked string
}

// Verify checks a whole log against a key given from outside. It reads every
// object, recomputes everything, names what is wrong and always ends. The error
// is for what kept it from beginning; what it found is in the report.
func Verify(ctx context.Context, st store.Store, opt VerifyOptions) (*Report, error) {
	if opt.Workers == 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	v := &verifier{
		st: st, opt: opt, roots: make(map[uint64]indelible.Hash), tenants: make(map[string]uint64), rooms: make(chan room, 4*opt.Workers+4),
		gone: make(map[uint64]lostSegment), before: make(map[uint64]indelible.Hash),
	}
	v.known.Store(new([]tenantCheck))
	v.report = &Report{Started: opt.Clock().UTC(), Problems: []Problem{}, Unchecked: []string{}, Range: opt.Range}
	err := v.run(ctx)
	v.report.Seconds = opt.Clock().Sub(v.report.Started).Seconds()
	if v.report.Result == "" {
		v.report.conclude()
	}
	return v.report, err
}

func (v *verifier) run(ctx context.Context) error {
	ok, err := v.openCheckpoint(ctx)
	if err != nil || !ok {
		return err
	}
	if v.opt.Range != nil {
		return v.verifyRange(ctx)
	}
	if v.names, err = takeInventory(ctx, v.st); err != nil {
		return err
	}
	v.state = newState(v.checkpoint.Origin)
	v.compare = v.startComparer(ctx)
	err = v.verifySegments(ctx)
	for _, o := range v.state.unfinished() { // of leaves beyond the checkpoint
		v.compare.unfinished(o)
	}
	v.compare.finish()
	if err != nil {
		return err
	}
	v.judgeLost()
	v.checkTip()
	v.checkKept(ctx)
	v.checkTrusted(ctx)
	v.checkLeftOver()
	v.sayUnchecked()
	return ctx.Err()
}

// openCheckpoint reads and verifies the checkpoint; false means there is
// nothing further to check against.
func (v *verifier) openCheckpoint(ctx context.Context) (bool, error) {
	signed, err := readAll(ctx, v.st, checkpointName, maxCheckpoint)
	if errors.Is(err, store.ErrNotExist) {
		v.problem(tampering, Problem{Object: checkpointName, What: "missing"})
		return false, nil
	}
	var bad *TamperError
	if err != nil && !errors.As(err, &bad) {
		return false, fmt.Errorf("read the checkpoint: %w", err)
	}
	var c *Checkpoint
	if err == nil {
		c, err = OpenCheckpoint(signed, v.opt.VerifierKey)
	}
	switch {
	case errors.Is(err, ErrWrongKey) && !v.opt.OwnKey:
		v.problem(tampering, Problem{Object: checkpointName, What: err.Error()})
		v.report.Result = ResultWrongKey
		return false, nil
	case err != nil:
		v.problem(tampering, Problem{Object: checkpointName, What: err.Error()})
		return false, nil
	}
	v.checkPolicy(c)
	v.checkpoint = c
	v.report.Origin, v.report.Leaves, v.report.Root, v.report.Checkpoint = c.Origin, c.Size, c.Root, string(c.Signed)
	return true, nil
}

// CheckPolicy reports whether a text is a policy that Verify understands.
func CheckPolicy(text []byte) error {
	_, err := torchwood.ParsePolicy(text)
	return err
}

// checkPolicy counts the cosignatures of witnesses. Too few mean that a split
// view is not ruled out, not that anything was changed.
func (v *verifier) checkPolicy(c *Checkpoint) {
	if v.opt.Policy == nil {
		return
	}
	policy, err := torchwood.ParsePolicy(v.opt.Policy)
	if err == nil {
		_, _, err = torchwood.VerifyCheckpoint(c.Signed, policy)
	}
	if err != nil {
		v.problem(unreadable, Problem{Object: checkpointName, What: "does not satisfy the witness policy: " + err.Error()})
	}
}

func (v *verifier) problem(s severity, p Problem) {
	p.severity = s
	v.mu.Lock()
	v.report.Problems = append(v.report.Problems, p)
	v.mu.Unlock()
}

// failed notes a read that failed: a missing object is tampering, a store
// that does not answer leaves the check unmade.
func (v *verifier) failed(name string, err error) {
	if errors.Is(err, store.ErrNotExist) {
		v.problem(tampering, Problem{Object: name, What: "missing"})
		return
	}
	var bad *TamperError
	if errors.As(err, &bad) {
		v.problem(tampering, Problem{Object: bad.Object, What: bad.What})
		return
	}
	v.problem(unreadable, Problem{Object: name, What: err.Error()})
}

// checkTip checks that the replayed log reaches the checkpoint's tree.
func (v *verifier) checkTip() {
	c, s := v.checkpoint, v.state
	root, seen := v.roots[c.Size]
	switch {
	case s.edge.size < c.Size:
		v.problem(tampering, Problem{Object: checkpointName, What: fmt.Sprintf("its tree has %d leaves, the segments hold %d", c.Size, s.edge.size)})
	case !seen:
		v.problem(tampering, Problem{Object: checkpointName, What: fmt.Sprintf("no segment ends a publish at size %d", c.Size)})
	case root != c.Root:
		v.problem(tampering, Problem{Object: checkpointName, What: "its root does not follow from the leaves"})
	}
	if s.edge.size > c.Size {
		v.report.Pending = s.edge.size - c.Size
	}
	_, key, err := indelible.ParseVerifierKey(v.opt.VerifierKey)
	if err == nil && key != s.logKey && !slices.Contains(s.oldKeys, key) {
		v.problem(tampering, Problem{Object: checkpointName, What: "signed with a key that is not the one the log itself names"})
	}
}

// checkKept checks the locked copies of earlier checkpoints.
func (v *verifier) checkKept(ctx context.Context) {
	for _, name := range v.names.kept {
		size, _ := numberOf(name, checkpointsPrefix)
		var c *Checkpoint
		earlier := false
		err := v.readAny(ctx, name, maxCheckpoint, nil, func(b []byte) (err error) {
			c, err = OpenCheckpoint(b, v.opt.VerifierKey)
			if earlier = errors.Is(err, ErrWrongKey) && v.openedByEarlierKey(b, size); earlier {
				return nil
			}
			return err
		})
		root, seen := v.roots[size]
		switch {
		case earlier:
		case err != nil && !seen && c == nil:
			v.problem(interference, Problem{Object: name, What: "foreign object: no checkpoint of ours, and none was published at this size"})
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrDenied), errors.Is(err, store.ErrNotExist):
			v.failed(name, err)
		case err != nil:
			v.problem(tampering, Problem{Object: name, What: err.Error()})
		case c.Size != size:
			v.problem(tampering, Problem{Object: name, What: fmt.Sprintf("holds the checkpoint of size %d", c.Size)})
		case size > v.checkpoint.Size:
			v.problem(tampering, Problem{Object: checkpointName, What: fmt.Sprintf("rolled back: a later checkpoint of size %d was kept", size)})
		case !seen || root != c.Root:
			v.problem(tampering, Problem{Object: name, What: "its root is not that of the log at this size"})
		}
	}
}

// openedByEarlierKey checks a kept checkpoint against the keys the log had before.
func (v *verifier) openedByEarlierKey(signed []byte, size uint64) bool {
	for _, key := range v.state.oldKeys {
		vkey, err := indelible.FormatVerifierKey(v.checkpoint.Origin, key)
		if err != nil {
			continue
		}
		c, err := OpenCheckpoint(signed, vkey)
		if err == nil && c.Size == size && v.roots[size] == c.Root {
			return true
		}
	}
	return false
}

// recall trusts the largest checkpoint that is remembered, under the key given
// or another the log had: a rotation must not make anybody forget.
func (v *verifier) recall() {
	if v.opt.Trusted != nil || v.opt.Recall == nil {
		return
	}
	vkeys := []string{v.opt.VerifierKey}
	for _, key := range append([]indelible.PublicKey{v.state.logKey}, v.state.oldKeys...) {
		if vkey, err := indelible.FormatVerifierKey(v.checkpoint.Origin, key); err == nil {
			vkeys = append(vkeys, vkey)
		}
	}
	for _, vkey := range vkeys {
		if c := v.opt.Recall(vkey); c != nil && (v.opt.Trusted == nil || c.Size > v.opt.Trusted.Size) {
			v.opt.Trusted = c
		}
	}
}

// checkTrusted demands that this log continues a checkpoint seen before.
func (v *verifier) checkTrusted(ctx context.Context) {
	v.recall()
	t, c := v.opt.Trusted, v.checkpoint
	switch {
	case t == nil:
		return
	case t.Size > c.Size:
		v.problem(tampering, Problem{Object: checkpointName, What: fmt.Sprintf("rolled back: a checkpoint of size %d was accepted before, this one has size %d", t.Size, c.Size)})
		return
	case t.Size == 0:
		return
	}
	root, seen := v.roots[t.Size]
	if !seen {
		var err error
		if root, err = treeHash(ctx, v.st, c, t.Size); err != nil {
			v.failed(tilePrefix, err)
			return
		}
	}
	if root != t.Root {
		v.problem(tampering, Problem{Object: checkpointName, What: fmt.Sprintf("forked: it does not continue the checkpoint of size %d accepted before", t.Size)})
	}
}

// sayUnchecked lists what this verification could not see.
func (v *verifier) sayUnchecked() {
	say := func(format string, args ...any) {
		v.report.Unchecked = append(v.report.Unchecked, fmt.Sprintf(format, args...))
	}
	age := v.opt.Clock().Sub(time.UnixMilli(v.state.headsTime))
	v.report.HeadsAge = age.Seconds()
	if v.opt.Trusted == nil {
		say("rollback and split view not checked: no earlier checkpoint is known here; the newest heads leaf is %s old", age.Round(time.Second))
	} else {
		say("split view not checked: without a witness or a second reader it cannot be seen")
	}
	if v.opt.Locked && v.unlocked > 0 {
		v.problem(interference, Problem{Object: v.firstUnlocked, What: fmt.Sprintf("not locked, and %d more of the objects that should be", v.unlocked-1)})
	}
	if v.opt.IDKey == nil {
		say("event references not checked: the ledger's id-key is not here")
	}
	if v.opt.Opener == nil {
		say("payloads not opened: tenants' names were not compared")
	}
	if v.opt.MaxAge > 0 && age > v.opt.MaxAge {
		v.problem(unreadable, Problem{Object: checkpointName, What: fmt.Sprintf("the newest heads leaf is %s old, more than the %s allowed", age.Round(time.Second), v.opt.MaxAge)})
	}
}

// verifyRange checks the leaves of a range, their segments and payloads
// against the checkpoint's tree, without reading the rest.
func (v *verifier) verifyRange(ctx context.Context) error {
	r := *v.opt.Range
	if r.First >= r.End || r.End > v.checkpoint.Size {
		return fmt.Errorf("range %d to %d: the tree has %d leaves", r.First, r.End, v.checkpoint.Size)
	}
	return v.checkRange(ctx, r)
}
