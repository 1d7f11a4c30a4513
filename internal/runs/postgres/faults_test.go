package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
	"indelible/internal/runs/sample"
)

func itoa(n int) string { return fmt.Sprint(n) }

func TestWrongQuestions(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	empty := newDatabase(t)
	d.sql(CreateTable + "; CREATE VIEW v AS SELECT * FROM workflow_runs")
	view := newDatabase(t)
	view.sql("CREATE VIEW workflow_runs AS SELECT 1 AS id")
	narrow := newDatabase(t)
	narrow.sql("CREATE TABLE workflow_runs (id text, tenant_id bytea, workflow_name text)")
	for _, c := range []struct {
		name string
		d    *database
		q    runs.Query
		code runs.Code
		says string
	}{
		{"no table", empty, everything, runs.Schema, "there is no table workflow_runs"},
		{"a view", view, everything, runs.Schema, "is a view"},
		{"no column", narrow, runs.Query{AllTenants: true, NoRLS: true, Columns: []string{"id", "status"}}, runs.Schema, "tenant_id is bytea"},
		{"no time", d, runs.Query{AllTenants: true, NoRLS: true, TimeColumn: "status", Since: runs.Time{Valid: true}}, runs.Usage, "status is text, not a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := runstest.Try(t.Context(), c.d.source(""), c.q)
			runstest.WantError(t, err, c.code, c.says)
		})
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + "; CREATE ROLE nobody_" + d.name + " LOGIN")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := l.Addr().String() // accepts, and says nothing
	t.Cleanup(func() { l.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := closed.Addr().String()
	closed.Close()
	for _, c := range []struct {
		name, dsn string
		code      runs.Code
		says      string
	}{
		{"wrong password", d.c.TCP(d.name, d.c.User, "hunter2"), runs.Refused, "refuses the login"},
		{"no database", d.c.DSN("nowhere", ""), runs.Refused, "no such database"},
		{"no permission", d.c.DSN(d.name, "nobody_"+d.name), runs.Refused, "permission denied for table workflow_runs"},
		{"nobody listens", "postgres://u:hunter2@" + dead + "/db", runs.Unreachable, "nobody answers"},
		{"no socket", "postgres:///db?host=/nowhere", runs.Unreachable, "nobody answers"},
		{"silence", "postgres://u:hunter2@" + silent + "/db?connect_timeout=1&sslmode=disable", runs.Unreachable, "nobody answers in time"},
		{"no TLS there", d.c.TCP(d.name, d.c.User, d.c.Password) + "?sslmode=verify-full", runs.Refused, "does not speak TLS"},
		{"unknown host", "postgres://u:hunter2@host.invalid/db?sslmode=disable", runs.Unreachable, "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{DSN: c.dsn})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = runstest.Try(t.Context(), s, everything)
			runstest.WantError(t, err, c.code, c.says)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
	for _, dsn := range []string{"postgres://u:hunter2@host:port/db", "host=x password=hunter2 port=y", "postgres://u:hunter2@[::1/db"} {
		_, err := New(Config{DSN: dsn})
		runstest.WantError(t, err, runs.Usage, "cannot be read")
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %q", err)
		}
	}
}

// TestVerifiedByDefault: off this machine nobody is trusted for their address.
func TestVerifiedByDefault(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for _, c := range []struct {
		dsn      string
		verified bool
		tls      bool
	}{
		{"postgres://u@db.example/x", true, true},
		{"postgres://u@db.example/x?application_name=y", true, true},
		{"host=db.example user=u", true, true},
		{"host=db.example,127.0.0.1 user=u", true, true},
		{"postgres://u@db.example/x?sslmode=require", false, true},
		{"host=db.example user=u sslmode=disable", false, false},
		{"postgres://u@127.0.0.1/x?sslmode=disable", false, false},
		{"host=/run/postgresql user=u", false, false},
	} {
		parsed, err := Config{DSN: c.dsn}.parse(none)
		if err != nil {
			t.Errorf("%s: %v", c.dsn, err)
			continue
		}
		if got := parsed.TLSConfig != nil; got != c.tls {
			t.Errorf("%s: TLS %v", c.dsn, got)
		}
		if got := verifiesServer(parsed); got != c.verified {
			t.Errorf("%s: verified %v", c.dsn, got)
		}
		if len(parsed.Fallbacks) > 0 && c.verified && parsed.Fallbacks[0].TLSConfig == nil {
			t.Errorf("%s falls back to no TLS", c.dsn)
		}
	}
	if HasPassword("postgres://u@h/d") || !HasPassword("postgres://u:p@h/d") || !HasPassword("postgres://u@h/d?password=p") || !HasPassword("host=h password = p") || HasPassword("host=h passfile=p") {
		t.Error("passwords are not told from their absence")
	}
}

func TestCutInMidStream(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 20_000)
	snap := runstest.Open(t, d.source(""), everything)
	n := 0
	err := scanAllShards(t.Context(), snap, func(*runs.Run) error {
		if n++; n == 10 {
			d.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		}
		return nil
	})
	runstest.WantError(t, err, runs.Lost, "connection")
	if n == 20_000 {
		t.Error("all rows came over a connection that was cut")
	}
}

func scanAllShards(ctx context.Context, snap runs.Snapshot, fn func(*runs.Run) error) error {
	for shard := range snap.Info().Shards {
		if err := snap.Scan(ctx, "", shard, fn); err != nil {
			return err
		}
	}
	return nil
}

func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + runstest.Row("a", "metadata", "'{}'"))
	d.sql("CREATE FUNCTION slow(text) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(30)::text'; ALTER TABLE workflow_runs ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON workflow_runs USING (slow(id) IS NULL); GRANT SELECT ON workflow_runs TO PUBLIC; CREATE ROLE slow_" + d.name + " LOGIN")
	q := everything
	q.Timeout = 300 * time.Millisecond
	_, _, err := runstest.Try(t.Context(), d.source("slow_"+d.name), q)
	runstest.WantError(t, err, runs.Timeout, "longer than it may")
}

func TestLockedTable(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable)
	c := d.session()
	c.do("BEGIN; LOCK TABLE workflow_runs")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := d.source("").Open(ctx, everything); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestPooler: everything is set in the transaction, so that PgBouncer in
// transaction mode can stand between; what it has too few connections for is
// said.
func TestPooler(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 6000)
	q := everything
	want := read(t, d.source(""), q)
	q.Jobs = 2
	for _, connections := range []int{3, 1} {
		s, err := New(Config{DSN: d.c.Pooler(t, d.name, connections)})
		if err != nil {
			t.Fatal(err)
		}
		snap := runstest.Open(t, s, q)
		parts := make([][]*runs.Run, snap.Info().Shards)
		errs := make([]error, len(parts))
		var group sync.WaitGroup
		for shard := range parts {
			group.Go(func() {
				errs[shard] = snap.Scan(t.Context(), "", shard, func(r *runs.Run) error { parts[shard] = append(parts[shard], runstest.Keep(r)); return nil })
			})
		}
		group.Wait()
		err = errors.Join(errs...)
		if connections == 1 {
			runstest.WantError(t, err, runs.Pooler, "query_wait_timeout")
		} else if got := slices.Concat(parts...); err != nil || runstest.IDs(got) != runstest.IDs(want) {
			t.Errorf("%d rows of %d, %v", len(got), len(want), err)
		}
	}
}

func TestSampleGoesNowhereElse(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + runstest.Row("real"))
	err := d.source("").Fill(t.Context(), sample.Runs(1, 10), "test")
	runstest.WantError(t, err, runs.Usage, "holds rows that are no sample")
	d.sql("DELETE FROM workflow_runs")
	d.fill(1, 10)
	d.fill(2, 5)
	if got := read(t, d.source(""), everything); len(got) != 5 {
		t.Errorf("%d rows", len(got))
	}
	// Interrupted it leaves what was there.
	ctx, cancel := context.WithCancel(t.Context())
	err = d.source("").Fill(ctx, func(yield func(*runs.Run) bool) {
		for r := range sample.Runs(3, 100_000) {
			if !yield(r) {
				return
			}
			cancel()
		}
	}, "test")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := read(t, d.source(""), everything); len(got) != 5 {
		t.Errorf("%d rows", len(got))
	}
}
