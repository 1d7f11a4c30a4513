package pgtest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m.Run)) }

func TestCluster(t *testing.T) {
	t.Parallel()
	c := Shared(t)
	a, b := c.NewDatabase(t), c.NewDatabase(t)
	if a == b {
		t.Fatalf("two databases are called %s", a)
	}
	if got := c.SQL(t, a, "SELECT current_user, current_database()"); got != "postgres|"+a {
		t.Errorf("got %q", got)
	}
	if got, err := c.PSQL(c.TCP(b, c.User, c.Password), "SELECT 1"); err != nil || got != "1" {
		t.Errorf("over loopback: %q, %v", got, err)
	}
	if _, err := c.PSQL(c.TCP(b, c.User, "wrong"), "SELECT 1"); err == nil {
		t.Error("a wrong password was accepted")
	}
	if _, err := c.PSQL(c.DSN(a, ""), "SELECT no_such_column"); err == nil {
		t.Error("an error of the database is none of psql's")
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	c, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.base); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", c.base, err)
	}
	if _, err := c.PSQL(c.DSN("postgres", ""), "SELECT 1"); err == nil {
		t.Error("a stopped server answers")
	}
}
