package postgres

import (
	"os"
	"sync"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/runstest"
	"indelible/internal/runs/sample"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

var shareRoles sync.Once

// database is a database of a test's own.
type database struct {
	t    testing.TB
	c    *pgtest.Cluster
	name string
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	c := pgtest.Shared(t)
	shareRoles.Do(func() { makeRoles(t, c) })
	return &database{t, c, c.NewDatabase(t)}
}

// makeRoles makes the exporters' roles, which belong to the cluster. Tests neither
// race for making them nor take them from each other: something needs them all the
// time.
func makeRoles(t testing.TB, c *pgtest.Cluster) {
	t.Helper()
	c.SQL(t, "postgres", "CREATE ROLE "+exportRole+" LOGIN NOINHERIT; CREATE ROLE "+exportAllRole+" LOGIN NOINHERIT; CREATE TABLE needed (); GRANT SELECT ON needed TO "+exportRole+", "+exportAllRole)
}

func (d *database) sql(sql string) string {
	d.t.Helper()
	return d.c.SQL(d.t, d.name, sql)
}

// source reads as a user; empty is the superuser.
func (d *database) source(user string) *Source {
	d.t.Helper()
	s, err := New(Config{DSN: d.c.DSN(d.name, user)})
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *database) fill(seed uint64, n int) {
	d.t.Helper()
	if err := d.source("").Fill(d.t.Context(), sample.Runs(seed, n), "test"); err != nil {
		d.t.Fatal(err)
	}
}

func (d *database) migrate(m runs.Migration) {
	d.t.Helper()
	if err := d.source("").Apply(d.t.Context(), m, func(runs.Step) {}); err != nil {
		d.t.Fatal(err)
	}
}

// Source, Exec and Fill make it a database for the suite.
func (d *database) Source() runstest.Source { return d.source("") }

func (d *database) Exec(sql string) { d.t.Helper(); d.sql(sql) }

func (d *database) Fill(seed uint64, n int) { d.t.Helper(); d.fill(seed, n) }

func TestSuite(t *testing.T) {
	t.Parallel()
	runstest.Run(t, func(t testing.TB) runstest.Database { return newDatabase(t) })
}

func read(t testing.TB, s *Source, q runs.Query) []*runs.Run {
	t.Helper()
	got, _ := runstest.Read(t, s, q)
	return got
}

var everything = runstest.Everything

// TestWriterMeanwhile: what is written while a snapshot is open is no part of it,
// on none of its connections.
func TestWriterMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 6000)
	q := everything
	want := read(t, d.source(""), q)
	q.Jobs = 3
	snap := runstest.Open(t, d.source(""), q)
	d.sql("DELETE FROM workflow_runs WHERE status = 'completed'; VACUUM workflow_runs;" + runstest.Row("new"))
	got, err := runstest.All(t.Context(), snap, q)
	if err != nil || runstest.IDs(got) != runstest.IDs(want) {
		t.Errorf("%d rows before, %d in the snapshot, %v", len(want), len(got), err)
	}
}

// session is a connection a test keeps, for transactions that take their time.
type session struct {
	t testing.TB
	c *conn
}

func (d *database) session() *session {
	d.t.Helper()
	c, err := connect(d.t.Context(), d.source("").config, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.close)
	return &session{d.t, c}
}

func (s *session) do(sql string) {
	s.t.Helper()
	if err := s.c.exec(s.t.Context(), sql); err != nil {
		s.t.Fatalf("%v\n%s", err, sql)
	}
}
