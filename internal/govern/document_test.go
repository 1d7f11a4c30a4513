package govern

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"indelible"
)

// signed is a document, signed by the first operator as it goes to the second.
func (f *fixture) signed(action indelible.Action) *Document {
	f.t.Helper()
	d := &Document{Version: DocumentVersion, Origin: "log", Action: action, About: About{Tenant: "acme", Text: "lift"}}
	if err := d.Sign(f.one, indelible.ID{9}, f.now); err != nil {
		f.t.Fatal(err)
	}
	b, err := json.Marshal(d)
	if err == nil {
		d, err = ReadDocument(b)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	lift := indelible.Action{Lift: &indelible.ID{1}}
	accept := func(f *fixture, d *Document, now time.Time) error {
		_, err := f.props.Accept(d.Approval, lift, d.About, f.decided.Operators, indelible.ID{}, now)
		return err
	}
	countersign := func(f *fixture, d *Document, now time.Time) error {
		_, err := f.props.Countersign(d.Approval, f.decided.Operators, indelible.ID{}, now)
		return err
	}
	for what, c := range map[string]struct {
		do   func(f *fixture) error
		want error
	}{
		"as it should be": {func(f *fixture) error {
			d := f.signed(lift)
			if err := errors.Join(accept(f, d, f.now), accept(f, d, f.now), d.Sign(f.two, indelible.ID{}, f.now.Add(time.Hour))); err != nil {
				return err
			}
			return errors.Join(countersign(f, d, f.now.Add(2*time.Hour)), countersign(f, d, f.now.Add(48*time.Hour)))
		}, nil},
		"nobody is there to be the second": {func(f *fixture) error {
			f.decided.Operators = f.decided.Operators[:1]
			return accept(f, f.signed(lift), f.now)
		}, ErrOneOperator},
		"proposed by no operator": {func(f *fixture) error {
			d := f.signed(lift)
			f.decided.Operators[0] = indelible.PublicKey{1}
			return accept(f, d, f.now)
		}, ErrNotSigned},
		"signed for another action": {func(f *fixture) error {
			return accept(f, f.signed(indelible.Action{Lift: &indelible.ID{2}}), f.now)
		}, ErrNotSigned},
		"proposed a day ago": {func(f *fixture) error { return accept(f, f.signed(lift), f.now.Add(25*time.Hour)) }, ErrNotSigned},
		"proposed tomorrow":  {func(f *fixture) error { return accept(f, f.signed(lift), f.now.Add(-time.Hour)) }, ErrNotSigned},
		"both by one":        {func(f *fixture) error { return f.signed(lift).Sign(f.one, indelible.ID{}, f.now) }, ErrSamePerson},
		"both by one, whatever the program says": {func(f *fixture) error {
			d := f.signed(lift)
			return errors.Join(accept(f, d, f.now), d.Approval.Approve(f.one.Key, &lift, "log", indelible.ID{}, f.now.UnixMilli()), countersign(f, d, f.now))
		}, ErrSamePerson},
		"a third signature": {func(f *fixture) error {
			d := f.signed(lift)
			return errors.Join(d.Sign(f.two, indelible.ID{}, f.now), d.Sign(f.two, indelible.ID{}, f.now))
		}, ErrNotSigned},
		"signed after it ended": {func(f *fixture) error { return f.signed(lift).Sign(f.two, indelible.ID{}, f.now.Add(25*time.Hour)) }, ErrNotSigned},
		"approved in time, says who sends it after it ended": {func(f *fixture) error {
			d := f.signed(lift)
			return errors.Join(accept(f, d, f.now), d.Sign(f.two, indelible.ID{}, f.now), countersign(f, d, f.now.Add(25*time.Hour)))
		}, ErrNotSigned},
		"approved without a proposal": {func(f *fixture) error {
			d := f.signed(lift)
			return errors.Join(d.Sign(f.two, indelible.ID{}, f.now), countersign(f, d, f.now))
		}, ErrNoProposal},
		"approved for another log": {func(f *fixture) error {
			d := f.signed(lift)
			return errors.Join(accept(f, d, f.now), d.Approval.Approve(f.two.Key, &lift, "another", indelible.ID{}, f.now.UnixMilli()), countersign(f, d, f.now))
		}, ErrNotSigned},
		"the first half is another's": {func(f *fixture) error {
			d := f.signed(lift)
			err := accept(f, d, f.now)
			d.Approval.Proposed++
			return errors.Join(err, d.Approval.Approve(f.two.Key, &lift, "log", indelible.ID{}, f.now.UnixMilli()), countersign(f, d, f.now))
		}, ErrNotSigned},
		"once more, when it was carried out": {func(f *fixture) error {
			d := f.signed(lift)
			p, err := f.props.Accept(d.Approval, lift, d.About, f.decided.Operators, indelible.ID{}, f.now)
			return errors.Join(err, f.props.Done(p, f.now), accept(f, d, f.now))
		}, ErrNoProposal},
	} {
		f := newFixture(t)
		if err := c.do(f); c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	f := newFixture(t)
	if _, err := f.props.Accept(f.signed(lift).Approval, lift, About{}, f.decided.Operators, indelible.ID{}, f.now); err != nil {
		t.Fatal(err)
	}
	if err := f.props.clear(f.now.Add(25 * time.Hour)); err != nil {
		t.Error(err)
	}
	if list, err := f.props.List(); err != nil || len(list) != 0 {
		t.Errorf("a proposal that ended is still there: %d, %v", len(list), err)
	}
	for _, text := range []string{"", "{}", `{"version":2,"origin":"log","action":{"lift":"00"}}`, `{"version":1,"origin":"log","log_id":"00000000000000000000000000000000","action":{},"about":{"text":""}}`} {
		if _, err := ReadDocument([]byte(text)); err == nil {
			t.Errorf("%s is taken as a document", text)
		}
	}
}
