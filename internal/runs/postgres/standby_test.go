package postgres

import (
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
)

// primary is a cluster of a test's own, with a table that has revisions.
func primary(t *testing.T) *database {
	t.Helper()
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	d := &database{t, c, c.NewDatabase(t)}
	d.sql(CreateTable + ";" + row("old"))
	d.migrate(runs.Migration{NoRLS: true})
	return d
}

// TestStandby: a standby knows only below which transaction all are over. A row
// above that waits for a later link, and is missing from none.
func TestStandby(t *testing.T) {
	t.Parallel()
	d := primary(t)
	standby := &database{t, d.c.Standby(t), d.name}
	c := newChain(t, standby.source(""))
	c.link("old")
	late := d.session()
	late.do("BEGIN;" + row("late"))
	d.sql(row("early"))
	standby.c.CatchUp(t, d.c)
	c.link("") // early is committed, and above late
	late.do("COMMIT")
	standby.c.CatchUp(t, d.c)
	c.link("late early")
	d.sql(row("next") + "UPDATE workflow_runs SET status = 'failed' WHERE id = 'old'")
	standby.c.CatchUp(t, d.c)
	c.link("next old")
	c.link("")
	if f := finding(standby.source("").Check(t.Context()), "connection"); !f.OK || !strings.Contains(f.Detail, "a standby") {
		t.Errorf("found %+v", f)
	}

	// The chain goes on at the primary, and back at the standby.
	c.s = d.source("")
	d.sql(row("p"))
	c.link("p")
	standby.c.CatchUp(t, d.c)
	c.s = standby.source("")
	c.link("")
	d.sql(row("q"))
	c.s = d.source("")
	c.link("q")
	// Behind the chain it waits.
	if got := standby.sql("SELECT pg_wal_replay_pause()"); got != "" {
		t.Fatal(got)
	}
	d.sql(row("r"))
	c.link("r")
	c.s = standby.source("")
	_, err := c.try()
	wantError(t, err, runs.OtherSource, "the standby is behind the chain")
	standby.sql("SELECT pg_wal_replay_resume()")
	standby.c.CatchUp(t, d.c)
	c.link("")
}

// TestLaggingStandbyPromoted: it has the same identifier, and transactions of
// its own where the chain has been: rows would be lost without a word.
func TestLaggingStandbyPromoted(t *testing.T) {
	t.Parallel()
	d := primary(t)
	standby := &database{t, d.c.Standby(t), d.name}
	standby.c.CatchUp(t, d.c)
	standby.c.Kill()
	c := newChain(t, d.source(""))
	d.sql(row("a") + row("b"))
	c.link("old a b")
	standby.c.Restart(t, "primary_conninfo=")
	standby.c.Promote(t)
	standby.sql(strings.Repeat("SELECT txid_current();", 50) + row("lost"))
	c.s = standby.source("")
	_, err := c.try()
	wantError(t, err, runs.OtherSource, "a standby promoted")
	standby.migrate(runs.Migration{NoRLS: true, Restamp: true})
	c.q.Range.Resync = true
	c.link("old lost")
	standby.sql(row("on"))
	c.link("on")
}

// TestConflictWithRecovery: what a standby must remove, an export there still
// reads.
func TestConflictWithRecovery(t *testing.T) {
	t.Parallel()
	d := primary(t)
	d.sql("DELETE FROM workflow_runs")
	d.fill(1, 20_000)
	standby := &database{t, d.c.Standby(t, "max_standby_streaming_delay=0", "hot_standby_feedback=off"), d.name}
	standby.c.CatchUp(t, d.c)
	snap := open1(t, standby.source(""), everything)
	removed := false
	var err error
	for err == nil && t.Context().Err() == nil {
		err = scanAllShards(t.Context(), snap, func(*runs.Run) error {
			if !removed {
				d.sql("DELETE FROM workflow_runs; VACUUM workflow_runs")
				removed = true
			}
			return nil
		})
	}
	wantError(t, err, runs.Conflict, "conflict with recovery")
}
