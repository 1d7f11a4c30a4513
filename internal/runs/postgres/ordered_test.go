package postgres

import (
	"slices"
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

// TestOrderedInRanges: rows in the order of time are read in several ranges
// where an index serves, and come as the database orders them.
func TestOrderedInRanges(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 8000)
	// Equal times, no time at all, and a time by itself far away from the others.
	d.sql(`ALTER TABLE workflow_runs ALTER created_at DROP NOT NULL;
UPDATE workflow_runs SET created_at = date_trunc('hour', created_at) WHERE left(id, 1) < '8';
UPDATE workflow_runs SET created_at = NULL WHERE left(id, 2) = '00';
UPDATE workflow_runs SET created_at = '2001-01-01Z' WHERE left(id, 3) = 'fff'`)
	d.migrate(runs.Migration{})
	q := everything
	q.Ordered = true
	if _, info := runstest.Read(t, d.source(""), q); info.Shards != 1 {
		t.Errorf("%d ranges without an index", info.Shards)
	}
	d.sql("CREATE INDEX ON workflow_runs (created_at); ANALYZE workflow_runs")
	inOrder := func(where string) string {
		return d.sql("SELECT string_agg(id, ' ' ORDER BY created_at, id COLLATE \"C\") FROM workflow_runs WHERE " + where)
	}
	compare := func(user string, q runs.Query, where string) runs.Info {
		t.Helper()
		got, info := runstest.Read(t, d.source(user), q)
		if want := strings.TrimSpace(inOrder(where)); runstest.IDs(got) != want || want == "" {
			t.Errorf("%d rows in %d ranges are not those of the database in its order", len(got), info.Shards)
		}
		return info
	}
	info := compare("", q, "true")
	if info.Shards < 4 {
		t.Errorf("%d ranges", info.Shards)
	}
	tenants := runs.Query{Tenants: []string{"acme", "globex"}, Ordered: true, Jobs: 2}
	got, _ := runstest.Read(t, d.source(exportRole), tenants)
	want := strings.TrimSpace(inOrder("tenant_id = 'acme'")) + " " + strings.TrimSpace(inOrder("tenant_id = 'globex'"))
	if runstest.IDs(got) != want {
		t.Errorf("%d rows of two tenants are not in their order", len(got))
	}
	since := q
	since.Since = runs.TimeOf(got[len(got)/4].CreatedAt.UTC())
	compare("", since, "created_at >= '"+moment(since.Since)+"'")

	// An attempt that did not end is made again in the ranges it had.
	again := q
	again.Plan = info.Plan
	d.sql("UPDATE workflow_runs SET created_at = '2031-01-01Z' WHERE left(id, 3) = 'ffe'")
	if next := compare("", again, "true"); next.Shards != info.Shards || string(next.Plan) != string(info.Plan) {
		t.Errorf("the plan was %s and is %s", info.Plan, next.Plan)
	}
	for _, damaged := range []string{`{"shards":3}`, `{"shards":3,"times":[2,1]}`, `{"shards":3,"times":[1]}`, `{"shards":2,"times":[9223372036854775807]}`} {
		again.Plan = []byte(damaged)
		if _, _, err := runstest.Try(t.Context(), d.source(""), again); err == nil {
			t.Errorf("plan %s was taken", damaged)
		}
	}
}

func TestTimesBetween(t *testing.T) {
	t.Parallel()
	if got := timesBetween(100, 200, 4); !slices.Equal(got, []int64{125, 150, 175}) {
		t.Errorf("%v", got)
	}
	for _, none := range [][2]int64{{5, 5}, {5, 7}, {-1 << 62, 0}} {
		if got := timesBetween(none[0], none[1], 4); got != nil {
			t.Errorf("%v: %v", none, got)
		}
	}
}
