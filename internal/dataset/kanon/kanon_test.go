package kanon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"indelible/internal/runs"
)

var columns = func() (all []runs.Column) {
	for _, name := range runs.Columns {
		all = append(all, runs.Column{Name: name})
	}
	return append(all, runs.Column{Name: "plan", Extra: true}, runs.Column{Name: "zip", Extra: true})
}()

func gateOf(t *testing.T, k int, texts ...string) *Gate {
	t.Helper()
	g, err := New(k, texts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func reader(t *testing.T, g *Gate) *Reader {
	t.Helper()
	r, err := g.Reader(columns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCoarser: what is written in place of a value.
func TestCoarser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ quasi, in, want string }{
		{"metadata.a", `{"a":[1,{"b":"}"}],"c":1}`, `{"a":[1,{"b":"}"}],"c":1}`},
		{"metadata.a:band10", `{"a":37}`, `{"a":30}`},
		{"metadata.a:band10", `{"a":-0.5,"b":37}`, `{"a":-10,"b":37}`},
		{"metadata.a:band10", `{"b":"x,\"a\":1","a":"37"}`, `{"b":"x,\"a\":1","a":"30"}`},
		{"metadata.a:band10", `{"a":"many"}`, `{"a":null}`},
		{"metadata.a:band10", `{"a":true}`, `{"a":null}`},
		{"metadata.a:band10", `{"a":1e300}`, `{"a":null}`},
		{"metadata.a:band10", `{"a":null}`, `{"a":null}`},
		{"metadata.a:prefix3", `{"a":"94107-1234"}`, `{"a":"941"}`},
		{"metadata.a:prefix3", `{"a":"日本語文字"}`, `{"a":"日本語"}`},
		{"metadata.a:prefix3", `{"a":94107}`, `{"a":null}`},
		{"metadata.a:prefix3", `{"a":"","a":"abcd"}`, `{"a":"","a":"abc"}`},
		{"metadata.a:network", `{"a":"10.1.2.3"}`, `{"a":"10.1.2.0/24"}`},
		{"metadata.a:network", `{"a":"2001:db8:1:2::3"}`, `{"a":"2001:db8:1::/48"}`},
		{"metadata.a:month", `{"a":"2024-03-09T10:00:00+02:00"}`, `{"a":"2024-03"}`},
		{"metadata.a:year", `{"a":"1980-03-09"}`, `{"a":"1980"}`},
		{"metadata.a:day", `{"a":"yesterday"}`, `{"a":null}`},
		{"metadata.a:prefix1", `{"\u0061":"xy","b":{"a":"zz"}}`, `{"\u0061":"x","b":{"a":"zz"}}`},
		{"metadata.a:prefix1", `["a"]`, `["a"]`},
		{"metadata.a.b:prefix1", `{"a.b":"xy"}`, `{"a.b":"x"}`},
	} {
		r := reader(t, gateOf(t, 2, c.quasi))
		in := []byte(c.in)
		row := runs.Run{Metadata: in}
		if r.generalise(&row, false); string(row.Metadata) != c.want {
			t.Errorf("%s of %s: %s, want %s", c.quasi, c.in, row.Metadata, c.want)
		}
		if string(in) != c.in {
			t.Errorf("%s: the source's memory was written to", c.quasi)
		}
	}
	at := runs.TimeOf(time.Date(2024, 3, 9, 10, 11, 12, 0, time.UTC))
	row := runs.Run{CreatedAt: at, StartedAt: at, DurationMS: runs.Int{N: -5, Valid: true}, WorkflowName: []byte("load-users"), Extra: [][]byte{[]byte(`"gold"`), []byte(`94107`)}}
	reader(t, gateOf(t, 2, "created_at:month", "started_at:year", "duration_ms:band1000", "workflow_name:prefix4", "plan", "zip:band100")).generalise(&row, false)
	got := fmt.Sprintf("%v %v %d %s %s", row.CreatedAt.UTC(), row.StartedAt.UTC(), row.DurationMS.N, row.WorkflowName, row.Extra)
	if want := `2024-03-01 00:00:00 +0000 UTC 2024-01-01 00:00:00 +0000 UTC -1000 load ["gold" 94100]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestGroups: rows are written when their group has k persons, those of one
// person, of nobody and of other tenants counted once, never and apart.
func TestGroups(t *testing.T) {
	t.Parallel()
	type row struct{ tenant, zip, person string }
	rows := []row{
		{"a", "94107", "ann"}, {"a", "94199", "ben"}, {"a", "94107", "ann"}, {"a", "94107", ""}, // two persons in 941
		{"a", "10115", "ann"}, {"a", "10117", "ann"}, {"a", "10119", ""}, // one
		{"b", "94107", "ben"},              // one, elsewhere
		{"a", "", "ann"}, {"a", "", "ben"}, // two without a zip
	}
	run := func(r row) *runs.Run {
		m := []byte(`{}`)
		if r.zip != "" {
			m = fmt.Appendf(nil, `{"zip":%q}`, r.zip)
		}
		return &runs.Run{TenantID: []byte(r.tenant), Metadata: m}
	}
	g := gateOf(t, 2, "metadata.zip:prefix3")
	count := reader(t, g)
	for _, r := range rows {
		if err := count.Count(run(r), r.person); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Counted(); err != nil {
		t.Fatal(err)
	}
	second := reader(t, g)
	var got []int
	for i, r := range rows {
		if second.Admit(run(r)) {
			got = append(got, i)
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 8 9]" {
		t.Errorf("written: %v", got)
	}
	if r := g.Result(); r != (Result{Groups: 4, GroupsSuppressed: 2, RowsSuppressed: 4}) {
		t.Errorf("%+v", r)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, texts := range [][]string{
		{}, {"id"}, {"tenant_id"}, {"error_message"}, {"metadata"}, {"metadata."}, {""}, {"status:band5"}, {"created_at:prefix4"}, {"duration_ms:month"},
		{"zip:prefix"}, {"zip:prefix0"}, {"zip:band-1"}, {"zip:exact3"}, {"zip:hash"}, {"zip", "zip:prefix2"}, {"zip:band99999999999"}, make([]string, 17),
	} {
		if _, err := New(2, texts); err == nil {
			t.Errorf("%q was taken", texts)
		}
	}
	for _, k := range []int{-1, 0, 1, 1001} {
		if _, err := New(k, []string{"status"}); err == nil {
			t.Errorf("k = %d was taken", k)
		}
	}
	if _, err := gateOf(t, 2, "city").Reader(columns); err == nil {
		t.Error("a column that is not there was taken")
	}
	g := gateOf(t, 2, "status")
	if err := reader(t, g).Count(&runs.Run{}, ""); err != nil {
		t.Fatal(err)
	}
	if err := g.Counted(); err == nil || !strings.Contains(err.Error(), "no row says whom it is about") {
		t.Errorf("rows that name nobody: %v", err)
	}
}

// TestLimit: what is held in memory is bounded, and groups that are full hold
// nobody.
func TestLimit(t *testing.T) {
	t.Parallel()
	g := gateOf(t, 2, "metadata.a")
	g.limit = 20 // ten groups and one person of each
	r := reader(t, g)
	for i := range 1000 {
		if err := r.Count(&runs.Run{Metadata: fmt.Appendf(nil, `{"a":%d}`, i%10)}, fmt.Sprint(i%4)); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	if g.held != 10 {
		t.Errorf("%d are held, ten groups are full", g.held)
	}
	g.limit = 10
	if err := r.Count(&runs.Run{Metadata: []byte(`{"a":"new"}`)}, "x"); err == nil || !strings.Contains(err.Error(), "more than 10 groups and persons") {
		t.Errorf("above the limit: %v", err)
	}
}

// FuzzMembers: the members of an object are those that encoding/json finds.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":"x\"y","c":[{"d":"]"},2],"\u0061":null}`, `[]`, `"a"`, `{"a":{}}`, `{`, `{"a"`, `{"a":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got []string
		members(text, func(name []byte, start, end int) { got = append(got, string(name)+"="+string(text[start:end])) })
		var compact bytes.Buffer
		if json.Compact(&compact, text) != nil || !bytes.Equal(compact.Bytes(), text) || len(text) == 0 || text[0] != '{' {
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		var want []string
		for d.More() {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			var v json.RawMessage
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(name)+"="+string(v))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) && !bytes.ContainsRune(text, '\uFFFD') && json.Valid(text) && validUTF8(text) {
			t.Fatalf("%s: %q, want %q", text, got, want)
		}
	})
}

func validUTF8(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }
