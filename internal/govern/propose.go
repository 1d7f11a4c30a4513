package govern

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"indelible"
)

// ErrOneOperator: what was asked for takes two people, and the log knows fewer.
var ErrOneOperator = errors.New("this takes two operators, and the log knows fewer")

func wrapTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

// Propose signs an action and keeps it until somebody approves it. operators
// are those the log knows.
func (s *Proposals) Propose(o *Operator, action indelible.Action, about About, operators []indelible.PublicKey, logID indelible.ID, now time.Time) (*Proposal, error) {
	if len(operators) < 2 {
		return nil, ErrOneOperator
	}
	if !slices.Contains(operators, o.Public()) {
		return nil, fmt.Errorf("%s is not an operator of this log", o.Name)
	}
	var id indelible.ID
	rand.Read(id[:])
	a, err := indelible.Propose(o.Key, &action, s.origin, logID, id, now.UnixMilli())
	if err != nil {
		return nil, err
	}
	p := &Proposal{Action: action, Approval: a, About: about}
	return p, s.Write(p)
}
