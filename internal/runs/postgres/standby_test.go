package postgres

import (
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/runstest"
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
	d.sql(CreateTable + ";" + runstest.Row("old"))
	d.migrate(runs.Migration{NoRLS: true})
	return d
}

// TestStandby: a standby knows only below which transaction all are over. A row
// above that waits for a later link, and is missing from none.
func TestStandby(t *testing.T) {
	t.Parallel()
	d := primary(t)
	standby := &database{t, d.c.Standby(t), d.name}
	c := runstest.NewChain(t, standby.source(""))
	c.Link("old")
	late := d.session()
	late.do("BEGIN;" + runstest.Row("late"))
	d.sql(runstest.Row("early"))
	standby.c.CatchUp(t, d.c)
	c.Link("") // early is committed, and above late
	late.do("COMMIT")
	standby.c.CatchUp(t, d.c)
	c.Link("late early")
	d.sql(runstest.Row("next") + "UPDATE workflow_runs SET status = 'failed' WHERE id = 'old'")
	standby.c.CatchUp(t, d.c)
	c.Link("next old")
	c.Link("")
	if f := finding(standby.source("").Check(t.Context()), "connection"); !f.OK || !strings.Contains(f.Detail, "a standby") {
		t.Errorf("found %+v", f)
	}

	// The chain goes on at the primary, and back at the standby.
	c.Source = d.source("")
	d.sql(runstest.Row("p"))
	c.Link("p")
	standby.c.CatchUp(t, d.c)
	c.Source = standby.source("")
	c.Link("")
	d.sql(runstest.Row("q"))
	c.Source = d.source("")
	c.Link("q")
	// Behind the chain it waits.
	if got := standby.sql("SELECT pg_wal_replay_pause()"); got != "" {
		t.Fatal(got)
	}
	d.sql(runstest.Row("r"))
	c.Link("r")
	c.Source = standby.source("")
	_, err := c.Try()
	runstest.WantError(t, err, runs.OtherSource, "the standby is behind the chain")
	standby.sql("SELECT pg_wal_replay_resume()")
	standby.c.CatchUp(t, d.c)
	c.Link("")
}

// TestLaggingStandbyPromoted: it has the same identifier, and transactions of
// its own where the chain has been: rows would be lost without a word.
func TestLaggingStandbyPromoted(t *testing.T) {
	t.Parallel()
	d := primary(t)
	standby := &database{t, d.c.Standby(t), d.name}
	standby.c.CatchUp(t, d.c)
	standby.c.Kill()
	c := runstest.NewChain(t, d.source(""))
	d.sql(runstest.Row("a") + runstest.Row("b"))
	c.Link("old a b")
	standby.c.Restart(t, "primary_conninfo=")
	standby.c.Promote(t)
	standby.sql(strings.Repeat("SELECT txid_current();", 50) + runstest.Row("lost"))
	c.Source = standby.source("")
	_, err := c.Try()
	runstest.WantError(t, err, runs.OtherSource, "a standby promoted")
	standby.migrate(runs.Migration{NoRLS: true, Restamp: true})
	c.Query.Range.Resync = true
	c.Link("old lost")
	standby.sql(runstest.Row("on"))
	c.Link("on")
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
	snap := runstest.Open(t, standby.source(""), everything)
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
	runstest.WantError(t, err, runs.Conflict, "conflict with recovery")
}
