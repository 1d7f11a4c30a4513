package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestKAnonymity: what is left out is what a recount of all rows says, from both
// databases, with one reader and with two; the values that make a group are
// written as coarse as they were asked for.
func TestKAnonymity(t *testing.T) {
	t.Parallel()
	x := newExporter(t, 3000, nil)
	db := x.path("runs.db")
	x.run("sample", "runs", "--rows", "3000", "--seed", "7", "--sqlite", db).want(exitOK)
	config, err := os.ReadFile(x.dir + "/indelible.yaml")
	if err != nil {
		t.Fatal(err)
	}
	x.export("nobody", "--all-tenants", "--k-anonymity", "3", "--quasi", "status").want(exitUsage, "no row says whom it is about", "subject in the section mask")
	write(t, x.dir+"/indelible.yaml", append(config, "\nmask:\n  subject: [requested_by]\n"...))
	for _, args := range [][]string{
		{"--k-anonymity", "3"}, {"--quasi", "status"}, {"--k-anonymity", "1", "--quasi", "status"}, {"--k-anonymity", "3", "--quasi", "id"},
		{"--k-anonymity", "3", "--quasi", "city"}, {"--k-anonymity", "3", "--quasi", "status", "--limit", "10"},
		{"--k-anonymity", "3", "--quasi", "status", "--incremental", "c"},
	} {
		x.export("no", append(args, "--all-tenants")...).want(exitUsage)
	}
	if left, err := os.ReadDir(x.path("no")); err == nil && len(left) > 0 {
		t.Errorf("something was written: %v", left)
	}

	x.export("all.jsonl", "--all-tenants").want(exitOK)
	want, left, groups, small := recount(t, read(t, x.path("all.jsonl")), 3)
	if left == 0 || len(want) == 0 || small == 0 || small == groups {
		t.Fatalf("%d rows written, %d left out, %d of %d groups small: nothing is shown", len(want), left, small, groups)
	}
	quasi := []string{"--all-tenants", "--k-anonymity", "3", "--quasi", "created_at:month,metadata.region:prefix2", "--quasi", "metadata.attempt:band2"}
	var first []byte
	for i, source := range [][]string{{"--jobs", "1"}, {"--jobs", "2"}, {"--sqlite", db}} {
		name := fmt.Sprintf("k%d.jsonl", i)
		said := fmt.Sprintf("%d rows are left out: those of %d of %d groups, with fewer than 3 persons", left, small, groups)
		x.export(name, append(quasi, source...)...).want(exitOK, "groups of 3000 rows were counted in", said,
			fmt.Sprintf("left out    %d rows of %d of %d groups", left, small, groups))
		got := map[string]string{}
		b := read(t, x.path(name))
		for line := range bytes.SplitSeq(bytes.TrimSpace(b), []byte("\n")) {
			r := gateRowOf(t, line)
			got[r.ID] = r.group()
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", source, d)
		}
		if first == nil {
			first = withoutExport(b)
		} else if i == 1 && !bytes.Equal(first, withoutExport(b)) {
			t.Error("with two readers the rows are others")
		}
		x.run("dataset", "verify", x.path(name)).want(exitOK)
		var m struct {
			Dataset struct {
				Rows       int
				KAnonymity map[string]any `json:"k_anonymity"`
				Spec       struct {
					KAnonymity map[string]any `json:"k_anonymity"`
				}
			}
		}
		if err := json.Unmarshal(read(t, x.path(name+".manifest.json")), &m); err != nil {
			t.Fatal(err)
		}
		k := m.Dataset.KAnonymity
		if m.Dataset.Rows != len(want) || k["k"] != 3.0 || k["rows_suppressed"] != float64(left) || k["groups_suppressed"] != float64(small) || k["groups"] != float64(groups) || len(m.Dataset.Spec.KAnonymity) != 3 {
			t.Errorf("manifest: %+v", m.Dataset)
		}
	}
	// Masked, the groups are the same: whom a row is about is asked before.
	out := x.path("masked")
	x.run("export", "--no-rls", "--all-tenants", "--out", out, "--k-anonymity", "3", "--quasi", "created_at:month,metadata.region:prefix2,metadata.attempt:band2", "--json").
		want(exitOK, fmt.Sprintf(`"rows":%d`, len(want)), fmt.Sprintf(`"rows_suppressed":%d`, left))
}

// gateRow is a row, as much as the groups need.
type gateRow struct {
	ID       string    `json:"id"`
	Tenant   string    `json:"tenant_id"`
	Created  time.Time `json:"created_at"`
	Metadata struct {
		Region  string
		Attempt int
		By      string `json:"requested_by"`
	}
}

func gateRowOf(t *testing.T, line []byte) (r gateRow) {
	t.Helper()
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r gateRow) group() string {
	return fmt.Sprintf("%s|%s|%s|%d", r.Tenant, r.Created.Format(time.RFC3339), r.Metadata.Region, r.Metadata.Attempt)
}

// recount says by hand which rows are written, and how.
func recount(t *testing.T, all []byte, k int) (want map[string]string, left, groups, small int) {
	t.Helper()
	persons := map[string]map[string]bool{}
	rows := map[string]string{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(all), []byte("\n")) {
		r := gateRowOf(t, line)
		r.Created = time.Date(r.Created.Year(), r.Created.Month(), 1, 0, 0, 0, 0, time.UTC)
		r.Metadata.Region = r.Metadata.Region[:2]
		r.Metadata.Attempt -= r.Metadata.Attempt % 2
		g := r.group()
		rows[r.ID] = g
		if persons[g] == nil {
			persons[g] = map[string]bool{}
		}
		if by := strings.ToLower(r.Metadata.By); by != "" {
			persons[g][by] = true
		}
	}
	want = map[string]string{}
	for id, g := range rows {
		if len(persons[g]) >= k {
			want[id] = g
		}
	}
	for _, p := range persons {
		if len(p) < k {
			small++
		}
	}
	return want, len(rows) - len(want), len(persons), small
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withoutExport is rows without what an export adds to each.
func withoutExport(b []byte) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		row, _, _ := bytes.Cut(line, []byte(`,"_export_`))
		out = append(append(out, row...), '\n')
	}
	return out
}
