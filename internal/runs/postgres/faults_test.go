package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"indelible/internal/runs"
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
		{"no tenant", d, runs.Query{}, runs.Usage, "no tenant is named"},
		{"both", d, runs.Query{AllTenants: true, Tenants: []string{"a"}}, runs.Usage, "exclude each other"},
		{"tenant *", d, runs.Query{Tenants: []string{"*"}}, runs.Usage, "no tenant"},
		{"unknown column", d, runs.Query{AllTenants: true, NoRLS: true, Columns: []string{"id", "colour"}}, runs.Schema, "has no column colour"},
		{"column twice", d, runs.Query{AllTenants: true, NoRLS: true, Columns: []string{"id", "id"}}, runs.Usage, "asked for twice"},
		{"unknown time", d, runs.Query{AllTenants: true, NoRLS: true, TimeColumn: "ended", Since: runs.Time{Valid: true}}, runs.Schema, "has no column ended"},
		{"no time", d, runs.Query{AllTenants: true, NoRLS: true, TimeColumn: "status", Since: runs.Time{Valid: true}}, runs.Usage, "status is text, not a time"},
		{"negative limit", d, runs.Query{AllTenants: true, NoRLS: true, Limit: runs.Int{N: -1, Valid: true}}, runs.Usage, "--limit -1"},
		{"chain and limit", d, runs.Query{AllTenants: true, NoRLS: true, Limit: runs.Int{Valid: true}, Range: &runs.Range{}}, runs.Usage, "do not go with a chain"},
		{"running without revisions", d, runs.Query{AllTenants: true, NoRLS: true, Range: &runs.Range{IncludeRunning: true}}, runs.Usage, "running"},
		{"a plan of nonsense", d, runs.Query{AllTenants: true, NoRLS: true, Plan: []byte(`{"shards":65}`)}, runs.Usage, "plan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := tryRead(t, c.d.source(""), c.q)
			wantError(t, err, c.code, c.says)
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
			_, _, err = tryRead(t, s, everything)
			wantError(t, err, c.code, c.says)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
	for _, dsn := range []string{"postgres://u:hunter2@host:port/db", "host=x password=hunter2 port=y", "postgres://u:hunter2@[::1/db"} {
		_, err := New(Config{DSN: dsn})
		wantError(t, err, runs.Usage, "cannot be read")
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
	snap := open1(t, d.source(""), everything)
	n := 0
	err := scanAllShards(t.Context(), snap, func(*runs.Run) error {
		if n++; n == 10 {
			d.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		}
		return nil
	})
	wantError(t, err, runs.Lost, "connection")
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
	d.sql(CreateTable + ";" + row("a", "metadata", "'{}'"))
	d.sql("CREATE FUNCTION slow(text) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(30)::text'; ALTER TABLE workflow_runs ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON workflow_runs USING (slow(id) IS NULL); GRANT SELECT ON workflow_runs TO PUBLIC; CREATE ROLE slow_" + d.name + " LOGIN")
	q := everything
	q.Timeout = 300 * time.Millisecond
	_, _, err := tryRead(t, d.source("slow_"+d.name), q)
	wantError(t, err, runs.Timeout, "longer than it may")
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

func TestOldSnapshot(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 10)
	q := everything
	q.MaxAge = time.Nanosecond
	_, _, err := tryRead(t, d.source(""), q)
	wantError(t, err, runs.Timeout, "the snapshot is")
}

func TestErrorOfTheReader(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 5000)
	snap := open1(t, d.source(""), everything)
	full := errors.New("disk full")
	n := 0
	if err := snap.Scan(t.Context(), "", 0, func(*runs.Run) error { n++; return full }); err != full || n != 1 {
		t.Errorf("got %v after %d rows", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := snap.Scan(ctx, "", 0, func(*runs.Run) error { cancel(); return nil })
	var known *runs.Error
	if !errors.Is(err, context.Canceled) && !errors.As(err, &known) {
		t.Errorf("got %v", err)
	}
}

// TestRate: rows come no faster than they may, however many read them.
func TestRate(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 300)
	q := everything
	q.MaxRate = 1000
	begun := time.Now()
	if got := read(t, d.source(""), q); len(got) != 300 {
		t.Fatalf("%d rows", len(got))
	}
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("300 rows at 1000 a second took %s", took)
	}
}

func TestSampleGoesNowhereElse(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + row("real"))
	err := d.source("").Fill(t.Context(), sample.Runs(1, 10), "test")
	wantError(t, err, runs.Usage, "holds rows that are no sample")
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
