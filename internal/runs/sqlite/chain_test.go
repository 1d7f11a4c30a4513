package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

// TestTriggers: whatever way a row is written, it is stamped, and once.
func TestTriggers(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, runstest.Row("old")+runstest.Row("b"))
	runstest.Migrate(t, source(t, file), runs.Migration{})
	c := runstest.NewChain(t, source(t, file))
	c.Link("old b")
	exec1(t, file, "PRAGMA recursive_triggers = 1;"+runstest.Row("r")+"UPDATE workflow_runs SET status = 'failed' WHERE id = 'r'")
	c.Link("r")
	exec1(t, file, "INSERT OR REPLACE INTO workflow_runs SELECT * FROM workflow_runs WHERE id = 'b'")
	c.Link("b")
	exec1(t, file, strings.TrimSuffix(runstest.Row("old"), ";")+" ON CONFLICT (id) DO UPDATE SET status = 'x'")
	c.Link("old")
	exec1(t, file, "UPDATE OR IGNORE workflow_runs SET id = 'old' WHERE id = 'b'; UPDATE workflow_runs SET rowid = rowid + 100 WHERE id = 'r'")
	c.Link("r")
	if got := c.Info.Cursor; !strings.Contains(string(got), `"revision":6`) {
		t.Errorf("rows were stamped more than once: %s", got)
	}
}

func TestOlderFile(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 5)
	runstest.Migrate(t, source(t, file), runs.Migration{NoIndex: true})
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, file, runstest.Row("new"))
	q := everything
	q.Range = &runs.Range{}
	_, info := runstest.Read(t, source(t, file), q)
	q.Range.From = info.Cursor
	older := filepath.Join(t.TempDir(), "older.db")
	write(t, older, string(backup))
	_, _, err = runstest.Try(t.Context(), source(t, older), q)
	runstest.WantError(t, err, runs.OtherSource, "older than the chain")
}
