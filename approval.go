package indelible

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Action is what two people decide together. Exactly one member is set.
type Action struct {
	Erase     *Erase     `json:"erase,omitempty"`
	Lift      *ID        `json:"lift,omitempty"`
	Operator  *PublicKey `json:"operator,omitempty"`
	Retention *Retention `json:"retention,omitempty"`
	Readmit   *Erase     `json:"readmit,omitempty"` // a person who was erased gets keys again
}

// Hash is SHA-256 of the action as canonical JSON.
func (a *Action) Hash() (Hash, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return Hash{}, err
	}
	canonical, err := AppendCanonicalJSON(nil, text)
	return sha256.Sum256(canonical), err
}

// ProposalLife is how long a proposal can be approved.
const ProposalLife = 24 * time.Hour

// Approval is the word of two operators for one action of one log.
type Approval struct {
	Proposal          ID        `json:"proposal"`
	Proposed          int64     `json:"proposed"` // ms
	Proposer          PublicKey `json:"proposer"`
	ProposerSignature Signature `json:"proposer_signature"`
	Approved          int64     `json:"approved"`
	Approver          PublicKey `json:"approver"`
	ApproverSignature Signature `json:"approver_signature"`
}

// Propose signs an action as the first of two.
func Propose(key ed25519.PrivateKey, action *Action, origin string, logID, id ID, at int64) (Approval, error) {
	a := Approval{Proposal: id, Proposed: at, Proposer: publicKeyOf(key)}
	m, err := a.proposal(action, origin, logID)
	copy(a.ProposerSignature[:], ed25519.Sign(key, m))
	return a, err
}

// Approve signs a proposal as the second of two.
func (a *Approval) Approve(key ed25519.PrivateKey, action *Action, origin string, logID ID, at int64) error {
	a.Approved, a.Approver = at, publicKeyOf(key)
	m, err := a.approval(action, origin, logID)
	copy(a.ApproverSignature[:], ed25519.Sign(key, m))
	return err
}

// VerifyProposal checks the first signature: by an operator, for this action.
func (a *Approval) VerifyProposal(action *Action, origin string, logID ID, operators []PublicKey) error {
	if !slices.Contains(operators, a.Proposer) {
		return errors.New("proposed by somebody who is no operator")
	}
	m, err := a.proposal(action, origin, logID)
	if err != nil {
		return err
	}
	if !ed25519.Verify(a.Proposer[:], m, a.ProposerSignature[:]) {
		return errors.New("the proposer's signature is not for this")
	}
	return nil
}

// Verify checks that two operators signed this action, the second within the
// proposal's life.
func (a *Approval) Verify(action *Action, origin string, logID ID, operators []PublicKey) error {
	if err := a.VerifyProposal(action, origin, logID, operators); err != nil {
		return err
	}
	switch {
	case a.Approver == a.Proposer:
		return errors.New("proposed and approved by the same operator")
	case !slices.Contains(operators, a.Approver):
		return errors.New("approved by somebody who is no operator")
	case a.Approved < a.Proposed || a.Approved > a.Proposed+ProposalLife.Milliseconds():
		return errors.New("approved before it was proposed, or when the proposal had ended")
	}
	m, err := a.approval(action, origin, logID)
	if err != nil {
		return err
	}
	if !ed25519.Verify(a.Approver[:], m, a.ApproverSignature[:]) {
		return errors.New("the approver's signature is not for this")
	}
	return nil
}

func (a *Approval) proposal(action *Action, origin string, logID ID) ([]byte, error) {
	h, err := action.Hash()
	m := []byte("\xffindelible/v1/proposal\x00")
	m = binary.BigEndian.AppendUint16(m, uint16(len(origin)))
	m = append(m, origin...)
	m = append(m, logID[:]...)
	m = append(m, a.Proposal[:]...)
	m = append(m, h[:]...)
	return binary.BigEndian.AppendUint64(m, uint64(a.Proposed)), err
}

func (a *Approval) approval(action *Action, origin string, logID ID) ([]byte, error) {
	p, err := a.proposal(action, origin, logID)
	m := []byte("\xffindelible/v1/approval\x00")
	m = append(m, p...)
	m = append(m, a.ProposerSignature[:]...)
	return binary.BigEndian.AppendUint64(m, uint64(a.Approved)), err
}

// Introduce signs the second operator's key as the first.
func Introduce(key ed25519.PrivateKey, operator PublicKey, origin string, logID ID) Operator {
	by := publicKeyOf(key)
	var s Signature
	copy(s[:], ed25519.Sign(key, introduction(operator, origin, logID)))
	return Operator{Key: operator, By: &by, Signature: &s}
}

// VerifyIntroduction checks the first operator's signature.
func (o *Operator) VerifyIntroduction(first PublicKey, origin string, logID ID) error {
	if o.By == nil || o.Signature == nil || *o.By != first || !ed25519.Verify(first[:], introduction(o.Key, origin, logID), o.Signature[:]) {
		return errors.New("the second operator is not introduced by the first")
	}
	return nil
}

func introduction(operator PublicKey, origin string, logID ID) []byte {
	m := []byte("\xffindelible/v1/operator\x00")
	m = binary.BigEndian.AppendUint16(m, uint16(len(origin)))
	m = append(m, origin...)
	m = append(m, logID[:]...)
	return append(m, operator[:]...)
}

func publicKeyOf(key ed25519.PrivateKey) (p PublicKey) {
	copy(p[:], key.Public().(ed25519.PublicKey))
	return p
}
