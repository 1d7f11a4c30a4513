package postgres

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
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
	// The exporters' roles belong to the cluster. Tests neither race for making
	// them nor take them from each other: something needs them all the time.
	shareRoles.Do(func() {
		c.SQL(t, "postgres", "CREATE ROLE "+exportRole+" LOGIN NOINHERIT; CREATE ROLE "+exportAllRole+" LOGIN NOINHERIT; CREATE TABLE needed (); GRANT SELECT ON needed TO "+exportRole+", "+exportAllRole)
	})
	return &database{t, c, c.NewDatabase(t)}
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

func open1(t testing.TB, s *Source, q runs.Query) runs.Snapshot {
	t.Helper()
	snap, err := s.Open(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { snap.Close() })
	return snap
}

// all reads every shard of every tenant, in order.
func all(t testing.TB, snap runs.Snapshot, q runs.Query) []*runs.Run {
	t.Helper()
	tenants := q.Tenants
	if q.AllTenants {
		tenants = []string{""}
	}
	var got []*runs.Run
	for _, tenant := range tenants {
		for shard := range snap.Info().Shards {
			err := snap.Scan(t.Context(), tenant, shard, func(r *runs.Run) error {
				got = append(got, keep(r))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return got
}

// keep copies a row, which belongs to the source.
func keep(r *runs.Run) *runs.Run {
	c := *r
	for _, b := range []*[]byte{&c.ID, &c.TenantID, &c.WorkflowName, &c.WorkflowVersion, &c.Status, &c.ErrorMessage, &c.Metadata} {
		*b = bytes.Clone(*b)
	}
	c.Extra = nil
	for _, e := range r.Extra {
		c.Extra = append(c.Extra, bytes.Clone(e))
	}
	return &c
}

func read(t testing.TB, s *Source, q runs.Query) []*runs.Run {
	t.Helper()
	got, _, err := tryRead(t, s, q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func ids(rows []*runs.Run) string {
	var out []string
	for _, r := range rows {
		out = append(out, string(r.ID))
	}
	return strings.Join(out, " ")
}

// everything is all rows, as whoever reads.
var everything = runs.Query{AllTenants: true, NoRLS: true}

func TestSampleIsReadBack(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const n = 5000
	d.fill(7, n)
	snap := open1(t, d.source(""), everything)
	info := snap.Info()
	if !info.Sample || info.Shards < 2 || info.Rows != n || info.Revision || info.Kind != "postgresql" {
		t.Errorf("info %+v", info)
	}
	got := all(t, snap, everything)
	i := 0
	for want := range sample.Runs(7, n) {
		if i == len(got) {
			break
		}
		if diff := cmp.Diff(keep(want), got[i]); diff != "" {
			t.Fatalf("row %d:\n%s", i, diff)
		}
		i++
	}
	if i != n || len(got) != n {
		t.Errorf("%d rows of %d", len(got), n)
	}
}

func TestShardsAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 6000)
	q := everything
	want := read(t, d.source(""), q)
	q.Jobs = 3
	snap := open1(t, d.source(""), q)
	// What is written now is no part of the snapshot.
	d.sql("DELETE FROM workflow_runs WHERE status = 'completed'; VACUUM workflow_runs")
	parts := make([][]*runs.Run, snap.Info().Shards)
	var group sync.WaitGroup
	for shard := range parts {
		group.Go(func() {
			err := snap.Scan(t.Context(), "", shard, func(r *runs.Run) error {
				parts[shard] = append(parts[shard], keep(r))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var got []*runs.Run
	for _, p := range parts {
		got = append(got, p...)
	}
	if !slices.EqualFunc(want, got, func(a, b *runs.Run) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("%d rows one after the other, %d at the same time, not the same", len(want), len(got))
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
