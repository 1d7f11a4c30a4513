package pgtest

import (
	"strconv"
	"testing"
)

// Standby makes a standby that follows the cluster. It stops with the test.
func (c *Cluster) Standby(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	s, err := newCluster(c.Programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	err = s.Command("pg_basebackup", "-D", s.Data, "-h", c.Socket, "-p", strconv.Itoa(c.Port), "-U", c.User, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
	if err == nil {
		err = s.start(settings)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Restart starts a cluster again that was killed, with other settings.
func (c *Cluster) Restart(t testing.TB, settings ...string) {
	t.Helper()
	c.Kill()
	if err := c.start(settings); err != nil {
		t.Fatal(err)
	}
}

// Resume starts a cluster again that was killed, where it was: those who were
// connected find it.
func (c *Cluster) Resume(t testing.TB) {
	t.Helper()
	c.Kill()
	if err := c.launch(nil); err != nil {
		t.Fatal(err)
	}
}

// Promote makes a primary of a standby.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	if err := c.Command("pg_ctl", "promote", "-D", c.Data, "-w", "-s"); err != nil {
		t.Fatal(err)
	}
}

// CatchUp returns when a standby has all the primary has now.
func (c *Cluster) CatchUp(t testing.TB, primary *Cluster) {
	t.Helper()
	// A commit that waits for the disk takes all before it along.
	primary.SQL(t, "postgres", "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'catch up', '')")
	at := primary.SQL(t, "postgres", "SELECT pg_current_wal_flush_lsn()")
	c.SQL(t, "postgres", "DO $$ BEGIN WHILE pg_last_wal_replay_lsn() < '"+at+"' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
}
