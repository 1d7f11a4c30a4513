package runs

import "context"

// Migration is what to change in a database so that chains are exact and tenants
// are kept apart.
type Migration struct {
	NoIndex bool // leave out the index on the revision column
	NoRLS   bool // leave out roles and policies
	Restamp bool // stamp every row anew, after a restore
	Revert  bool // take everything out again
}

// Step is one change.
type Step struct {
	What string `json:"what"` // what it is for, and what it costs
	SQL  string `json:"sql"`
	// Alone is set for what cannot be part of a transaction.
	Alone bool `json:"alone"`
}

// Migrator is a source that can be prepared.
type Migrator interface {
	// Plan says what a migration has to do: nothing if all is there.
	Plan(ctx context.Context, m Migration) ([]Step, error)
	// Apply does it and tells what it did, step by step. What fits into one
	// transaction is one: either all of it happens or nothing.
	Apply(ctx context.Context, m Migration, done func(Step)) error
}

// Finding is one thing a look at a source found.
type Finding struct {
	Name   string
	OK     bool
	Detail string
	Hint   string
}
