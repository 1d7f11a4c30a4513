package govern

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible"
	"indelible/internal/ledger"
)

var errCrash = errors.New("the power went")

// fakeLog is a log and its key store, which fail at a step: before anything
// happened, or after all of it did and nobody was told.
type fakeLog struct {
	fences  []ledger.Fence
	leaves  int
	keys    []indelible.ID // that have material
	events  map[string]string
	forgot  int
	decided ledger.Decided

	fail  string // the step
	after bool
}

func (f *fakeLog) step(name string, do func()) error {
	if f.fail == name && !f.after {
		return errCrash
	}
	do()
	if f.fail == name {
		return errCrash
	}
	return nil
}

func (f *fakeLog) Ready(context.Context) error { return nil }

func (f *fakeLog) Decided() ledger.Decided { return f.decided }

func (f *fakeLog) Decide(_ context.Context, kind indelible.Kind, content any) (d ledger.Decision, err error) {
	err = f.step(kind.String(), func() {
		f.leaves++
		d = ledger.Decision{Index: uint64(f.leaves), Time: 1000 * int64(f.leaves)}
		if fence, ok := content.(indelible.Fence); ok {
			f.fences = append(f.fences, ledger.Fence{Index: d.Index, Time: d.Time, Fence: fence})
			f.keys = nil
		}
	})
	return d, err
}

func (f *fakeLog) FlushWhileStoreAnswers(context.Context, time.Duration) (away, err error) {
	return nil, f.step("publish", func() {})
}

func (f *fakeLog) Tenants() int { return 1 }

func (f *fakeLog) HoldSegments(context.Context, []uint64, bool) (int, error) {
	return 0, ledger.ErrNoHolds
}

func (f *fakeLog) RemoveExpired(context.Context, int) (int, int, error) { return 0, 0, nil }

func (f *fakeLog) ErasableSubject(context.Context, indelible.Ref, string) ([]indelible.ID, error) {
	return f.keys, nil
}

func (f *fakeLog) Suppress(context.Context, indelible.Ref, []string) error {
	return f.step("suppress", func() {})
}

func (f *fakeLog) ErasableTenant(context.Context, indelible.Ref) ([]indelible.ID, error) {
	return f.keys, nil
}

func (f *fakeLog) record(_ context.Context, e *indelible.Event) error {
	return f.step("record", func() { f.events[e.ID] = string(e.Details) })
}

type fixture struct {
	*fakeLog
	t     *testing.T
	dir   string
	props *Proposals
	now   time.Time
	one   *Operator
	two   *Operator
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		fakeLog: &fakeLog{keys: []indelible.ID{{2}, {1}}, events: make(map[string]string)},
		t:       t, dir: dir, props: OpenProposals(dir, "log", nil), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for i, o := range []**Operator{&f.one, &f.two} {
		var err error
		if *o, err = NewOperator(OperatorPath(dir, fmt.Sprint(i)), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		f.decided.Operators = append(f.decided.Operators, (*o).Public())
	}
	return f
}

func (f *fixture) executor() *Executor {
	return &Executor{
		Dir: f.dir, Log: f.fakeLog, Keys: f.fakeLog, Record: f.record, Clock: func() time.Time { return f.now },
		Proposals: func(context.Context) (*Proposals, error) { return f.props, nil },
		Fences:    func(context.Context, uint64) ([]ledger.Fence, error) { return f.fences, nil },
		Tokens:    func(context.Context, string, string) ([]string, error) { return []string{"a"}, nil },
		Forget: func(context.Context, string, string) error {
			return f.step("forget", func() { f.forgot++ })
		},
	}
}

// approved is the proposal to erase somebody, approved.
func (f *fixture) approved() *Proposal {
	f.t.Helper()
	subject := indelible.Ref{7}
	action := indelible.Action{Erase: &indelible.Erase{Tenant: indelible.Ref{1}, Subject: &subject}}
	p, err := f.props.Propose(f.one, action, About{Tenant: "acme", Subject: "ann", Text: "erase ann", Counts: &Counts{Size: 9, Records: 3}}, f.decided.Operators, indelible.ID{}, f.now)
	if err == nil {
		p, err = f.props.Approve(p.ID(), f.two, indelible.ID{}, f.now.Add(time.Hour))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// TestEraseInterrupted crashes at every step, before and after its effect, and
// gives the order again.
func TestEraseInterrupted(t *testing.T) {
	t.Parallel()
	want := newFixture(t)
	order := want.approved().ID()
	if _, err := want.executor().Do(t.Context(), Order{Execute: &order}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"publish", "suppress", "fence", "forget", "record"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after %v", step, after), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				id := f.approved().ID()
				f.fail, f.after = step, after
				if _, err := f.executor().Do(t.Context(), Order{Execute: &id}); !errors.Is(err, errCrash) {
					t.Fatalf("crashed with %v", err)
				}
				if _, err := f.props.Read(id); err != nil {
					t.Errorf("the proposal is gone before it is carried out: %v", err)
				}
				f.fail = ""
				r, err := f.executor().Do(t.Context(), Order{Execute: &id})
				if err != nil || r.Erased == nil {
					t.Fatalf("again: %+v, %v", r, err)
				}
				if len(f.fences) != 1 || len(f.events) != 1 || f.keys != nil || f.forgot == 0 {
					t.Errorf("%d fences, %d events, %d keys left, forgotten %d times", len(f.fences), len(f.events), len(f.keys), f.forgot)
				}
				if c := r.Erased; c.Keys != 2 || c.Fence != 1 || c.State != "final" || c.Counts.Records != 3 {
					t.Errorf("certificate %+v", c)
				}
				if _, err := f.props.Read(id); !errors.Is(err, ErrNoProposal) {
					t.Errorf("the proposal is still there: %v", err)
				}
			})
		}
	}
}

// TestReadmitInterrupted does the same with what gives somebody keys again: one
// leaf, one event, however often it is begun.
func TestReadmitInterrupted(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"publish", "fence", "record"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after %v", step, after), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				person := indelible.Erase{Tenant: indelible.Ref{1}, Subject: &indelible.Ref{7}}
				p, err := f.props.Propose(f.one, indelible.Action{Readmit: &person}, About{Text: "readmit ann", Counts: &Counts{}}, f.decided.Operators, indelible.ID{}, f.now)
				if err == nil {
					_, err = f.props.Approve(p.ID(), f.two, indelible.ID{}, f.now)
				}
				if err != nil {
					t.Fatal(err)
				}
				order := Order{Execute: idOf(p)}
				f.fail, f.after = step, after
				if _, err := f.executor().Do(t.Context(), order); !errors.Is(err, errCrash) {
					t.Fatalf("crashed with %v", err)
				}
				f.fail = ""
				if _, err := f.executor().Do(t.Context(), order); err != nil {
					t.Fatal(err)
				}
				if len(f.fences) != 1 || f.fences[0].Readmitted == nil || len(f.fences[0].Keys) != 0 || len(f.events) != 1 {
					t.Errorf("%d fences, %d events", len(f.fences), len(f.events))
				}
				if _, err := f.props.Read(p.ID()); !errors.Is(err, ErrNoProposal) {
					t.Errorf("the proposal is still there: %v", err)
				}
			})
		}
	}
}

func TestEraseHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.approved().ID()
	f.decided.Holds = []ledger.HeldScope{{HoldScope: indelible.HoldScope{ID: indelible.ID{5}, Tenant: &indelible.Ref{1}}}}
	var held *HeldError
	if _, err := f.executor().Do(t.Context(), Order{Execute: &id}); !errors.As(err, &held) || len(f.fences) > 0 || len(f.keys) == 0 {
		t.Errorf("a hold that began after the approval: %v", err)
	}
}

func TestPendingBackups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := time.UnixMilli(0)
	if err := NoteBackup(f.dir, made, f.now.AddDate(0, 0, 90)); err != nil {
		t.Fatal(err)
	}
	id := f.approved().ID()
	r, err := f.executor().Do(t.Context(), Order{Execute: &id})
	if err != nil || r.Erased.State != "pending backups" || !r.Erased.Until.Equal(f.now.AddDate(0, 0, 90)) {
		t.Errorf("%+v, %v", r.Erased, err)
	}
}

func TestForgetBackup(t *testing.T) {
	t.Parallel()
	dir, now := newFixture(t).dir, time.UnixMilli(1_800_000_000_000)
	for _, made := range []time.Time{now.Add(-time.Hour), now} {
		if err := NoteBackup(dir, made, now.AddDate(0, 0, 90)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ForgetBackup(dir, now); err != nil {
		t.Fatal(err)
	}
	if last, err := LastBackup(dir, now); err != nil || !last.Equal(now.Add(-time.Hour)) {
		t.Errorf("the last backup is of %v, %v", last, err)
	}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	action := indelible.Action{Lift: &indelible.ID{1}}
	if _, err := f.props.Propose(f.one, action, About{}, f.decided.Operators[:1], indelible.ID{}, f.now); !errors.Is(err, ErrOneOperator) {
		t.Errorf("with one operator: %v", err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.props.Propose(&Operator{"eve", stranger}, action, About{}, f.decided.Operators, indelible.ID{}, f.now); err == nil {
		t.Error("a stranger proposes")
	}
	p, err := f.props.Propose(f.one, action, About{Text: "lift"}, f.decided.Operators, indelible.ID{}, f.now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.props.Read(p.ID())
	if err != nil || cmp.Diff(p, again) != "" {
		t.Errorf("read back: %v\n%s", err, cmp.Diff(p, again))
	}
	if _, err := f.props.Approve(p.ID(), f.one, indelible.ID{}, f.now); !errors.Is(err, ErrSamePerson) {
		t.Errorf("the proposer approves: %v", err)
	}
	if _, err := f.props.Approve(p.ID(), f.two, indelible.ID{}, f.now.Add(25*time.Hour)); err == nil {
		t.Error("approved after its end")
	}
	if _, err := f.executor().Do(t.Context(), Order{Execute: idOf(p)}); err == nil {
		t.Error("carried out without approval")
	}
	if err := f.props.Remove(p.ID()); err != nil {
		t.Fatal(err)
	}
	if list, err := f.props.List(); err != nil || len(list) != 0 {
		t.Errorf("%d proposals left, %v", len(list), err)
	}
}

// TestSweep: what a writer left that was cut short goes, what one is at stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.approved()
	left, fresh := filepath.Join(f.dir, "proposals", ".tmp-1"), filepath.Join(f.dir, "proposals", ".tmp-2")
	for _, name := range []string{left, fresh} {
		if err := os.WriteFile(name, []byte("ann"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(left, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if list, err := f.props.List(); err != nil || len(list) != 1 || list[0].ID() != p.ID() {
		t.Errorf("%d proposals, %v", len(list), err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old unfinished file is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a fresh one is gone: %v", err)
	}
}

func TestOperatorFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	o, err := NewOperator(path, "ann")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadOperator(path)
	if err != nil || again.Public() != o.Public() || again.Name != "ann" {
		t.Errorf("read back %+v, %v", again, err)
	}
	if _, err := NewOperator(path, "ann"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a key was written over another: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOperator(path); err == nil {
		t.Error("a key others can read was taken")
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	event := func(user, resource, details string) *indelible.Event {
		return &indelible.Event{UserID: user, ResourceID: resource, Details: []byte(details), EventType: "view"}
	}
	var c Counts
	c.Add(event("ann", "r", `{"n":1}`), "ann", false)
	c.Add(event("ann", "ann", `{}`), "ann", true)
	c.Add(event("ann", "ann", `{}`), "ann", false)         // in the skeleton
	c.Add(event("ben", "r", `{"to":"ann"}`), "ann", false) // in another's part
	c.Add(event("ben", "ann", `{}`), "ann", true)
	c.Add(event("ben", "r", `{}`), "ann", false)
	c.Add(&indelible.Event{EventType: "dataset.exported", ResourceID: "v1"}, "ann", false)
	if c.Records != 3 || c.Mentions != 3 || c.Exports != 1 || len(c.Datasets) != 1 || c.Datasets[0] != "v1" {
		t.Errorf("%+v", c)
	}
}

func idOf(p *Proposal) *indelible.ID {
	id := p.ID()
	return &id
}
