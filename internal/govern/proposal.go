package govern

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/seal"
)

// Proposal is an action one operator signed and another has to. It lies in the
// data directory until it is carried out.
type Proposal struct {
	Action   indelible.Action
	Approval indelible.Approval // the second half is zero until it is approved
	About    About
}

// ID is what the proposal is called.
func (p *Proposal) ID() indelible.ID { return p.Approval.Proposal }

// Approved reports whether a second operator has signed.
func (p *Proposal) Approved() bool { return p.Approval.Approved != 0 }

// Expires is when the proposal can no more be approved.
func (p *Proposal) Expires() time.Time {
	return time.UnixMilli(p.Approval.Proposed).Add(indelible.ProposalLife).UTC()
}

// About says in the clear what a proposal means, for the second person. On the
// disk it is encrypted where the log is.
type About struct {
	Tenant  string  `json:"tenant,omitempty"`
	Subject string  `json:"subject,omitempty"`
	Text    string  `json:"text"`
	Counts  *Counts `json:"counts,omitempty"` // of an erasure
}

// proposalFile is a proposal on the disk.
type proposalFile struct {
	Version  int                `json:"version"`
	Action   indelible.Action   `json:"action"`
	Approval indelible.Approval `json:"approval"`
	About    json.RawMessage    `json:"about,omitempty"`
	Key      []byte             `json:"key,omitempty"`    // wrapped by the root key
	Sealed   []byte             `json:"sealed,omitempty"` // About, under that key
}

// ErrNoProposal: there is none of this id, or it was carried out.
var ErrNoProposal = errors.New("no such proposal")

// Proposals are the open proposals of a data directory.
type Proposals struct {
	dir    string
	root   seal.KeyWrapper // nil: the log is not encrypted
	origin string
}

// OpenProposals opens a data directory's proposals.
func OpenProposals(dir, origin string, root seal.KeyWrapper) *Proposals {
	return &Proposals{filepath.Join(dir, "proposals"), root, origin}
}

func (s *Proposals) path(id indelible.ID) string { return filepath.Join(s.dir, id.String()+".json") }

func (s *Proposals) context(id indelible.ID) seal.Context {
	return seal.Context{{Name: "log", Value: s.origin}, {Name: "proposal", Value: id.String()}}
}

// Write keeps a proposal, new or changed.
func (s *Proposals) Write(p *Proposal) error { return s.write(nil, p) }

func (s *Proposals) write(was *proposalFile, p *Proposal) error {
	f := proposalFile{Version: 1, Action: p.Action, Approval: p.Approval}
	about, err := json.Marshal(p.About)
	if err != nil {
		return err
	}
	switch {
	case s.root == nil:
		f.About = about
	case was != nil:
		f.Key, f.Sealed = was.Key, was.Sealed
	default:
		var key [32]byte
		rand.Read(key[:])
		ctx, cancel := wrapTime()
		defer cancel()
		if f.Key, err = s.root.Wrap(ctx, key[:], s.context(p.ID())); err != nil {
			return fmt.Errorf("seal the proposal: %w", err)
		}
		f.Sealed = aead(key[:]).Seal(nil, nil, about, nil)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, s.path(p.ID()), append(b, '\n'))
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for other lengths
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}

// Read reads a proposal.
func (s *Proposals) Read(id indelible.ID) (*Proposal, error) {
	_, p, err := s.read(id)
	return p, err
}

func (s *Proposals) read(id indelible.ID) (*proposalFile, *Proposal, error) {
	b, err := disk.ReadFile(disk.OS, s.path(id), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %s", ErrNoProposal, id)
	}
	if err != nil {
		return nil, nil, err
	}
	var f proposalFile
	if err := decodeStrict(b, &f); err != nil || f.Version != 1 || f.Approval.Proposal != id {
		return nil, nil, fmt.Errorf("%s is not proposal %s", s.path(id), id)
	}
	p := &Proposal{Action: f.Action, Approval: f.Approval}
	about := []byte(f.About)
	if f.Key != nil {
		if s.root == nil {
			return nil, nil, fmt.Errorf("proposal %s is sealed, and there is no root key", id)
		}
		ctx, cancel := wrapTime()
		defer cancel()
		key, err := s.root.Unwrap(ctx, f.Key, s.context(id))
		if err == nil && len(key) == 32 {
			about, err = aead(key).Open(nil, nil, f.Sealed, nil)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("open proposal %s: %w", id, err)
		}
	}
	return &f, p, decodeStrict(about, &p.About)
}

// Approve signs a proposal as the second operator and keeps that. Approving
// what is approved already changes nothing.
func (s *Proposals) Approve(id indelible.ID, o *Operator, logID indelible.ID, now time.Time) (*Proposal, error) {
	f, p, err := s.read(id)
	if err != nil || p.Approved() {
		return p, err
	}
	if now.After(p.Expires()) {
		return nil, fmt.Errorf("proposal %s ended on %s", id, p.Expires().Format(time.RFC3339))
	}
	if p.Approval.Proposer == o.Public() {
		return nil, fmt.Errorf("%w: %s proposed it", ErrSamePerson, o.Name)
	}
	if err := p.Approval.Approve(o.Key, &p.Action, s.origin, logID, now.UnixMilli()); err != nil {
		return nil, err
	}
	return p, s.write(f, p)
}

// ErrSamePerson: who proposed cannot approve.
var ErrSamePerson = errors.New("a second operator has to approve")

// List returns the open proposals, oldest first, those that ended among them.
func (s *Proposals) List() ([]*Proposal, error) {
	if err := s.sweep(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*Proposal
	for _, e := range entries {
		var id indelible.ID
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || id.UnmarshalText([]byte(name)) != nil {
			continue
		}
		p, err := s.Read(id)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *Proposal) int { return int(a.Approval.Proposed - b.Approval.Proposed) })
	return list, nil
}

// Remove takes a proposal away, and writes zeros over the bytes it had: it
// named a person. Removing what is not there is no error.
func (s *Proposals) Remove(id indelible.ID) error {
	return errors.Join(wipe(s.path(id)), s.sweep())
}

// Done takes a proposal away that was carried out, for good.
func (s *Proposals) Done(p *Proposal, now time.Time) error {
	if err := s.noteDone(p, now); err != nil {
		return err
	}
	return s.Remove(p.ID())
}

// wipe removes a file and writes zeros over the bytes it had.
func wipe(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// A crash in between leaves bytes without a name.
	if err := disk.OS.Remove(name); err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return err
	}
	return f.Sync()
}

// sweepAfter is how old an unfinished file is that nobody is writing any more.
const sweepAfter = 10 * time.Second

// sweep removes what writers left unfinished that were cut short.
func (s *Proposals) sweep() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		info, ierr := e.Info()
		if ierr == nil && strings.HasPrefix(e.Name(), disk.TempPrefix) && time.Since(info.ModTime()) > sweepAfter {
			err = errors.Join(err, wipe(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}
