package govern

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"indelible"
)

// Document is an action on its way between a server and the people who decide,
// who sign it on machines of their own: no server sees an operator's key, and
// none can decide in their place. It carries no signature, one, or two.
type Document struct {
	Version  int                 `json:"version"`
	Origin   string              `json:"origin"`
	LogID    indelible.ID        `json:"log_id"`
	Action   indelible.Action    `json:"action"`
	About    About               `json:"about"` // in the clear, as the server says
	Approval *indelible.Approval `json:"approval,omitempty"`
}

// DocumentVersion is that of documents this program reads.
const DocumentVersion = 1

// ReadDocument reads a document.
func ReadDocument(b []byte) (*Document, error) {
	var d Document
	if err := decodeStrict(b, &d); err != nil || d.Version != DocumentVersion || d.Origin == "" || d.Action == (indelible.Action{}) {
		return nil, errors.New("not a document to sign")
	}
	return &d, nil
}

// ErrNotSigned: a document's signatures are not what they have to be.
var ErrNotSigned = errors.New("not signed as it has to be")

// Sign signs a document as an operator: as the first of two, or as the second.
func (d *Document) Sign(o *Operator, id indelible.ID, now time.Time) error {
	if d.Approval == nil {
		a, err := indelible.Propose(o.Key, &d.Action, d.Origin, d.LogID, id, now.UnixMilli())
		d.Approval = &a
		return err
	}
	a := d.Approval
	switch {
	case a.Approved != 0:
		return fmt.Errorf("%w: two people have signed it", ErrNotSigned)
	case a.Proposer == o.Public():
		return fmt.Errorf("%w: %s proposed it", ErrSamePerson, o.Name)
	}
	if err := a.VerifyProposal(&d.Action, d.Origin, d.LogID, []indelible.PublicKey{a.Proposer}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	if end := d.Expires(); now.After(end) {
		return fmt.Errorf("%w: it ended on %s", ErrNotSigned, end.Format(time.RFC3339))
	}
	return a.Approve(o.Key, &d.Action, d.Origin, d.LogID, now.UnixMilli())
}

// Expires is when a document with one signature can no more get the second.
func (d *Document) Expires() time.Time {
	return (&Proposal{Approval: *d.Approval}).Expires()
}

// Document is the proposal as it goes to the second person.
func (p *Proposal) Document(origin string, logID indelible.ID) *Document {
	a := p.Approval
	return &Document{DocumentVersion, origin, logID, p.Action, p.About, &a}
}

// ahead is by how much the clock of who signed may be ahead of ours.
const ahead = 5 * time.Minute

// maxProposals is how many can be open: each is a file.
const maxProposals = 1000

// ErrNothing: what is asked for needs no decision.
var ErrNothing = errors.New("there is nothing that two people would have to decide")

// ErrTooMany: more proposals are open than there can be.
var ErrTooMany = errors.New("too many proposals are open")

// Accept keeps a proposal that was signed elsewhere. action and about are what
// the log says it means, not what who sent it says.
func (s *Proposals) Accept(signed *indelible.Approval, action indelible.Action, about About, operators []indelible.PublicKey, logID indelible.ID, now time.Time) (*Proposal, error) {
	if len(operators) < 2 {
		return nil, ErrOneOperator
	}
	// Who sends it twice has not heard the answer.
	if was, err := s.Read(signed.Proposal); err == nil {
		if was.Approval.ProposerSignature != signed.ProposerSignature {
			return nil, fmt.Errorf("%w: its id is taken by another proposal", ErrNotSigned)
		}
		return was, nil
	} else if !errors.Is(err, ErrNoProposal) {
		return nil, err
	}
	p := &Proposal{Action: action, About: about}
	p.Approval = indelible.Approval{Proposal: signed.Proposal, Proposed: signed.Proposed, Proposer: signed.Proposer, ProposerSignature: signed.ProposerSignature}
	if err := p.Approval.VerifyProposal(&action, s.origin, logID, operators); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	if err := s.inTime(p, signed.Proposed, now); err != nil {
		return nil, err
	}
	done, err := readList[carriedOut](s.donePath(), maxDone)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(done, func(c carriedOut) bool { return c.ID == p.ID() }) {
		return nil, fmt.Errorf("%w: it was carried out", ErrNoProposal)
	}
	if err := s.clear(now); err != nil {
		return nil, err
	}
	return p, s.Write(p)
}

// Countersign keeps the second signature of a proposal, which was made elsewhere.
func (s *Proposals) Countersign(signed *indelible.Approval, operators []indelible.PublicKey, logID indelible.ID, now time.Time) (*Proposal, error) {
	f, p, err := s.read(signed.Proposal)
	if err != nil {
		return nil, err
	}
	first := p.Approval
	first.Approved, first.Approver, first.ApproverSignature = signed.Approved, signed.Approver, signed.ApproverSignature
	switch {
	case first != *signed:
		return nil, fmt.Errorf("%w: it is another proposal than the one that waits", ErrNotSigned)
	case p.Approved():
		if p.Approval != *signed {
			return nil, fmt.Errorf("%w: it was approved before, by another", ErrNotSigned)
		}
		return p, nil
	case signed.Approver == signed.Proposer:
		return nil, ErrSamePerson
	}
	if err := signed.Verify(&p.Action, s.origin, logID, operators); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	if err := s.inTime(p, signed.Approved, now); err != nil {
		return nil, err
	}
	p.Approval = *signed
	return p, s.write(f, p)
}

// inTime makes sure that a proposal has not ended by our clock, and that the time
// beside a signature is not to come.
func (s *Proposals) inTime(p *Proposal, at int64, now time.Time) error {
	if now.After(p.Expires()) {
		return fmt.Errorf("%w: proposal %s ended on %s", ErrNotSigned, p.ID(), p.Expires().Format(time.RFC3339))
	}
	if time.UnixMilli(at).After(now.Add(ahead)) {
		return fmt.Errorf("%w: the time it was signed at is to come: set the clock of the machine it was signed on", ErrNotSigned)
	}
	return nil
}

// clear removes proposals that ended, and makes sure that there is room for one more.
func (s *Proposals) clear(now time.Time) error {
	list, err := s.List()
	if err != nil {
		return err
	}
	open := 0
	for _, p := range list {
		if p.Approved() || !now.After(p.Expires()) {
			open++
		} else if err := s.Remove(p.ID()); err != nil {
			return err
		}
	}
	if open >= maxProposals {
		return ErrTooMany
	}
	return nil
}

// carriedOut is a proposal that was carried out: until it would have ended its
// signatures must not count again.
type carriedOut struct {
	ID    indelible.ID `json:"id"`
	Until time.Time    `json:"until"`
}

const maxDone = 16 << 20

func (s *Proposals) donePath() string { return filepath.Join(s.dir, "carried-out.json") }

// noteDone notes that a proposal was carried out.
func (s *Proposals) noteDone(p *Proposal, now time.Time) error {
	done, err := readList[carriedOut](s.donePath(), maxDone)
	if err != nil {
		return err
	}
	done = slices.DeleteFunc(done, func(c carriedOut) bool { return c.ID == p.ID() || now.After(c.Until.Add(time.Hour)) })
	return writeList(s.donePath(), append(done, carriedOut{p.ID(), p.Expires()}))
}
