package main

import (
	"crypto/rand"

	"indelible/internal/dataset"
	"indelible/internal/dataset/kanon"
	"indelible/internal/mask"
	"indelible/internal/runs"
)

// exportGate is the gate of an export that leaves small groups out. It tells
// persons apart by pseudonyms under a key of this process: they count, and are
// written nowhere.
type exportGate struct {
	gate   *kanon.Gate
	spec   *dataset.GroupSpec
	policy *mask.Policy
	key    [mask.MinKey]byte
}

// gating sets up that rows of small groups are left out of a job.
func gating(policy *mask.Policy, k int, quasi []string, job *dataset.Job) error {
	gate, err := kanon.New(k, quasi)
	if err != nil {
		return exportError(err)
	}
	g := &exportGate{gate: gate, spec: &dataset.GroupSpec{K: k, Quasi: quasi, Subject: policy.Subject}, policy: policy}
	rand.Read(g.key[:])
	job.Gate, job.GroupSpec = g, g.spec
	return nil
}

// Counter implements dataset.Gate.
func (g *exportGate) Counter(columns []runs.Column) (func(*runs.Run) error, error) {
	r, err := g.gate.Reader(columns)
	if err != nil {
		return nil, err
	}
	m, err := mask.New(g.policy, mask.Options{Key: g.key[:]})
	if err != nil {
		return nil, err
	}
	values := make([][]byte, 0, 8)
	return func(run *runs.Run) error {
		values = append(append(values[:0], run.Metadata), run.Extra...)
		return r.Count(run, m.PersonIn(values...))
	}, nil
}

// Counted implements dataset.Gate.
func (g *exportGate) Counted() error { return g.gate.Counted() }

// Filter implements dataset.Gate.
func (g *exportGate) Filter(columns []runs.Column) (func(*runs.Run) bool, error) {
	r, err := g.gate.Reader(columns)
	if err != nil {
		return nil, err
	}
	return r.Admit, nil
}

// Result implements dataset.Gate.
func (g *exportGate) Result() dataset.Grouped {
	r := g.gate.Result()
	return dataset.Grouped{GroupSpec: *g.spec, Groups: r.Groups, GroupsSuppressed: r.GroupsSuppressed, RowsSuppressed: r.RowsSuppressed, ValuesNulled: r.Nulled}
}
