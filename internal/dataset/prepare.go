package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// prepare finds what is there: a dataset, a chain, an export that did not end.
// It returns a result if all that was left to do was to record.
func (x *export) prepare(ctx context.Context) (*Result, error) {
	old, err := readPlan(ctx, x.Place, x.layout.plan())
	if err != nil {
		return nil, err
	}
	newest, encoded, err := x.newest(ctx)
	if err != nil {
		return nil, err
	}
	if newest != nil && x.Ours != nil && x.Ours(newest.Dataset.RunID) {
		x.plan = &plan{RunID: newest.Dataset.RunID, Attempt: newest.Run.Attempt, Actor: x.Actor, ActorKind: x.ActorKind}
		result, err := x.conclude(ctx, newest, encoded)
		if err != nil {
			return nil, err
		}
		result.Healed = true
		return result, nil
	}
	if old != nil && newest != nil && newest.Dataset.RunID == old.RunID {
		// All of it is there; what may be missing is the record.
		x.notify("an earlier export was complete and not recorded: that is done now")
		x.plan = old
		if old.ActorKind != x.ActorKind { // who is authenticated here was not there, or the reverse
			old.Actor, old.ActorKind = x.Actor, x.ActorKind
		}
		result, err := x.conclude(ctx, newest, encoded)
		if err != nil {
			return nil, err
		}
		result.Healed = true
		if same, err := newest.Dataset.Spec.hash(); err != nil || x.Chain == "" && same == x.digest && !x.Overwrite {
			return result, err
		}
		old = nil
	}
	if x.Chain != "" {
		err = x.follow(newest)
	} else {
		err = x.refuseExisting(ctx, newest, old)
	}
	if err != nil {
		return nil, err
	}
	x.before = newest
	x.plan = &plan{RunID: x.NewID(), Attempt: 1, Spec: x.digest, Sequence: x.layout.sequence, Actor: x.Actor, ActorKind: x.ActorKind, Overwrites: x.Overwrite}
	x.fresh = old == nil
	if old != nil && old.Spec == x.digest && old.Sequence == x.layout.sequence {
		x.notify("an earlier attempt did not end: it is made again as run %s, attempt %d", old.RunID, old.Attempt+1)
		old.Attempt++
		old.Actor, old.ActorKind = x.Actor, x.ActorKind
		x.plan = old
		x.Query.Plan = compact(old.Source)
	} else if old != nil {
		x.notify("an earlier attempt with other options did not end: it is dropped")
	}
	return nil, x.sweep(ctx)
}

// newest is the manifest that is there, of a chain the last link; nil without.
func (x *export) newest(ctx context.Context) (*Manifest, []byte, error) {
	if x.Chain != "" {
		last, err := lastLink(ctx, x.Place)
		if err != nil {
			return nil, nil, err
		}
		x.layout.sequence = last
		if last == 0 {
			return nil, nil, nil
		}
	}
	m, encoded, err := readManifest(ctx, x.Place, x.layout.manifest())
	if errors.Is(err, ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil && x.Overwrite && errors.Is(err, ErrDamaged) {
		return nil, nil, nil
	}
	return m, encoded, err
}

// refuseExisting keeps what is there from being overwritten unasked.
func (x *export) refuseExisting(ctx context.Context, m *Manifest, old *plan) error {
	if x.Overwrite {
		return nil
	}
	if m != nil {
		return fmt.Errorf("%s %w", x.layout.manifest(), ErrExist)
	}
	if x.File == "" {
		links, err := x.Place.List(ctx, linkPrefix)
		if err == nil && len(links) > 0 {
			err = fmt.Errorf("a chain %w there", ErrExist)
		}
		return err
	}
	if old != nil {
		return nil // the file may be left over from the attempt that did not end
	}
	r, err := x.Place.Open(ctx, x.File)
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	if err == nil {
		r.Close()
		err = fmt.Errorf("%s %w", x.File, ErrExist)
	}
	return err
}

// sweep removes what earlier attempts left: unfinished files, and files of
// attempts that no manifest names.
func (x *export) sweep(ctx context.Context) error {
	names := []string{x.layout.plan(), strings.TrimSuffix(runsPrefix, "/")}
	if x.File != "" {
		names = []string{x.File, x.layout.manifest(), x.layout.evidence(), x.layout.plan()}
	}
	for _, name := range names {
		if err := x.Place.Sweep(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
