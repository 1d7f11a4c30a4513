package ledger

import (
	"context"
	"fmt"
	"slices"

	"indelible"
)

// control is a system leaf somebody wants in the log.
type control struct {
	kind    indelible.Kind
	content any
	done    chan error
	placed  Decision
}

// Decision is where a system leaf stands that was asked for.
type Decision struct {
	Index uint64
	Time  int64 // of its commit, ms
}

// AddSystem puts a system leaf into the log: a rotation of the log key,
// interference somebody has looked at, or what somebody decided. It returns when the leaf is in the
// store; a leaf the log would not accept is refused and not written. When ctx
// ends first the leaf may be in the log or not.
func (l *Ledger) AddSystem(ctx context.Context, kind indelible.Kind, content any) error {
	_, err := l.Decide(ctx, kind, content)
	return err
}

// Decide is AddSystem, and says where the leaf is.
func (l *Ledger) Decide(ctx context.Context, kind indelible.Kind, content any) (Decision, error) {
	switch kind {
	case indelible.KindLogKey, indelible.KindInterference,
		indelible.KindFence, indelible.KindExpired, indelible.KindPolicy, indelible.KindHold:
	default:
		return Decision{}, fmt.Errorf("a %s leaf cannot be asked for", kind)
	}
	c := &control{kind: kind, content: content, done: make(chan error, 1)}
	l.mu.Lock()
	l.controls = append(l.controls, c)
	l.mu.Unlock()
	l.nudge()
	select {
	case err := <-c.done:
		return c.placed, err
	case <-ctx.Done():
		l.dropControls([]*control{c})
		return Decision{}, ctx.Err()
	case <-l.done:
	}
	select {
	case err := <-c.done:
		return c.placed, err
	default:
		return Decision{}, l.Err()
	}
}

// waitingControls are the system leaves for the next segment.
func (l *Ledger) waitingControls() []*control {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.controls)
}

func (l *Ledger) dropControls(done []*control) {
	l.mu.Lock()
	l.controls = slices.DeleteFunc(l.controls, func(c *control) bool { return slices.Contains(done, c) })
	l.mu.Unlock()
}

// answerControls tells those who wait that their leaves are in the log.
func (l *Ledger) answerControls(done []*control) {
	l.dropControls(done)
	for _, c := range done {
		c.done <- nil
	}
}

// owed reports that a segment has to be written even if nobody recorded anything.
func (l *Ledger) owed() bool {
	return l.barrier || l.stepBack || len(l.waitingControls()) > 0
}

// addControls puts what is owed at the beginning of a batch: our writer key
// where the log does not know it, the step of the clock, and what was asked for.
func (l *Ledger) addControls(b *batch) error {
	s, t := l.state, b.txn
	if _, known := s.writers[l.cfg.Writer.Endorsed.Key]; !known {
		w := indelible.WriterKey{Origin: l.cfg.Origin, LogID: s.logID, Writer: l.cfg.Writer.Endorsed}
		if err := t.addChecked(indelible.KindWriterKey, w); err != nil {
			return fmt.Errorf("this directory's writer key: %w", err)
		}
	}
	if t.time < s.time {
		if err := t.addChecked(indelible.KindClock, indelible.Clock{PreviousTime: s.time, Time: t.time}); err != nil {
			return err
		}
	}
	for _, c := range l.waitingControls() {
		c.placed = Decision{Index: t.size, Time: t.time}
		if err := t.addChecked(c.kind, c.content); err != nil {
			l.dropControls([]*control{c})
			c.done <- err
			continue
		}
		b.controls = append(b.controls, c)
	}
	return nil
}

// addChecked adds a system leaf of ours as every reader will: what it changes
// takes effect, what would be refused is an error and changes nothing.
func (t *txn) addChecked(kind indelible.Kind, content any) error {
	payload, err := systemPayload(content)
	if err != nil {
		return err
	}
	leaf := indelible.Leaf{Kind: kind, Time: t.time, Segment: t.seq}
	if leaf.Payload, err = indelible.HashPayload(payload); err != nil {
		return err
	}
	if err := t.checkSystem(&leaf, payload, &Segment{LogID: t.logID}); err != nil {
		return fmt.Errorf("%s leaf: %w", kind, err)
	}
	t.add(kind, indelible.Ref{}, 0, leaf.Payload, payload)
	return nil
}
