package dataset_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/dataset"
	"indelible/internal/dataset/compress"
	"indelible/internal/dataset/folder"
	"indelible/internal/dataset/parquet"
	"indelible/internal/runs"
)

// table is a source in memory: what a database would give.
type table struct {
	rows     []row
	shards   int
	revision bool
	failAt   int // the row that cannot be read; 0: none
	extra    bool
	repeats  bool // a chain without revisions: everything is read again
	opened   []runs.Query
}

type row struct {
	run    runs.Run
	tenant string
}

var begin = time.Date(2024, 10, 1, 8, 30, 0, 0, time.UTC)

func newTable(n int) *table {
	t := &table{shards: 7}
	for i := range n {
		t.rows = append(t.rows, rowOf(i))
	}
	return t
}

func rowOf(i int) row {
	tenant := []string{"acme", "globex", "initech"}[i%3]
	at := begin.Add(time.Duration(i) * 1234567 * time.Microsecond)
	r := runs.Run{
		ID: fmt.Appendf(nil, "run-%06d", i), TenantID: []byte(tenant), WorkflowName: []byte("nightly \"load\""), WorkflowVersion: []byte("1.4.0"),
		Status: []byte("completed"), StartedAt: runs.TimeOf(at), CompletedAt: runs.TimeOf(at.Add(90 * time.Second)), DurationMS: runs.Int{N: 90000, Valid: true},
		StepsCompleted: runs.Int{N: 5, Valid: true}, StepsTotal: runs.Int{N: 5, Valid: true},
		Metadata:  fmt.Appendf(nil, `{"cpu":%d,"note":"täglich"}`, i%100),
		CreatedAt: runs.TimeOf(at.Add(-time.Second)), Revision: uint64(i) + 700,
		Extra: [][]byte{fmt.Appendf(nil, "%d", i)},
	}
	switch i % 5 {
	case 1:
		r.Status, r.ErrorMessage = []byte("failed"), []byte("line one\nline two\t\x01 \\ end")
	case 2:
		r.Status, r.CompletedAt, r.DurationMS, r.Metadata = []byte("running"), runs.Time{}, runs.Int{}, nil
	}
	return row{r, tenant}
}

func (t *table) Close() error { return nil }

func (t *table) Open(_ context.Context, q runs.Query) (runs.Snapshot, error) {
	t.opened = append(t.opened, q)
	info := runs.Info{
		Kind: "postgresql", Version: "15", Time: runs.TimeOf(begin.Add(24 * time.Hour)), Shards: t.shards, Rows: int64(len(t.rows)),
		Isolation: "row-level security", Revision: t.revision, Guarantee: "one consistent snapshot", Plan: json.RawMessage(`{"shards":7}`),
	}
	for _, name := range runs.Columns {
		info.Columns = append(info.Columns, runs.Column{Name: name, Type: "text", Nullable: name != "id"})
	}
	if t.extra {
		info.Columns = append(info.Columns, runs.Column{Name: "region", Type: "jsonb", Nullable: true, Extra: true})
	}
	from := 0
	if q.Range != nil {
		if q.Range.From != nil && !t.repeats {
			var c struct{ Next string }
			if err := json.Unmarshal(q.Range.From, &c); err != nil {
				return nil, err
			}
			from, _ = strconv.Atoi(c.Next)
		}
		info.Cursor = fmt.Appendf(nil, `{"Next":"%d"}`, len(t.rows))
		info.Repeats = t.repeats
	}
	rows := t.rows[:len(t.rows):len(t.rows)]
	return &view{t, q, info, rows[from:]}, nil
}

type view struct {
	t    *table
	q    runs.Query
	info runs.Info
	rows []row
}

func (v *view) Info() runs.Info { return v.info }
func (v *view) Close() error    { return nil }

var errLost = errors.New("the connection is gone")

func (v *view) Scan(ctx context.Context, tenant string, shard int, fn func(*runs.Run) error) error {
	from, end := shard*len(v.rows)/v.t.shards, (shard+1)*len(v.rows)/v.t.shards
	for i := from; i < end; i++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if v.t.failAt > 0 && i >= v.t.failAt {
			return errLost
		}
		if r := v.rows[i]; v.q.AllTenants || r.tenant == tenant {
			c := r.run
			if !v.t.extra {
				c.Extra = nil
			}
			if err := fn(&c); err != nil {
				return err
			}
		}
	}
	return nil
}

// book is a ledger in memory.
type book struct {
	mu     sync.Mutex
	events map[string]*indelible.Event
	fail   string // type of event that cannot be recorded
}

func newBook() *book { return &book{events: map[string]*indelible.Event{}} }

var errBook = errors.New("the ledger is away")

func (b *book) Record(_ context.Context, events []*indelible.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		if e.EventType == b.fail {
			return errBook
		}
		validate := e.Validate
		if e.TenantID[0] == '_' {
			validate = e.ValidateSystem
		}
		if err := validate(); err != nil {
			return err
		}
		if had := b.events[e.ID]; had != nil && had.AuditHash() != e.AuditHash() {
			return fmt.Errorf("another event has the id %s", e.ID)
		}
		b.events[e.ID] = e
	}
	return nil
}

func (b *book) Evidence(_ context.Context, _, id string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[id].AppendJSON(nil), nil
}

func (b *book) count(eventType string) (n int) {
	for _, e := range b.events {
		if e.EventType == eventType {
			n++
		}
	}
	return n
}

// hmacless stands in for a keyed hash.
type hmacless struct{}

func (hmacless) Pseudonym(kind, value string) string {
	sum := sha256.Sum256([]byte(kind + value))
	return hex.EncodeToString(sum[:8])
}

var ids int
var idsMu sync.Mutex

func newID() string {
	idsMu.Lock()
	defer idsMu.Unlock()
	ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids)
}

// fixture is a job and what it writes to.
type fixture struct {
	*testing.T
	dir   string
	table *table
	book  *book
	said  []string
}

func newFixture(t *testing.T, rows int) *fixture {
	return &fixture{T: t, dir: t.TempDir(), table: newTable(rows), book: newBook()}
}

func (f *fixture) place() dataset.Place { return folder.New(f.dir) }

func (f *fixture) job(change ...func(*dataset.Job)) *dataset.Job {
	j := &dataset.Job{
		Source: f.table, Query: runs.Query{Tenants: []string{"acme"}, Jobs: 2}, Place: f.place(), Format: "jsonl",
		Recorder: f.book, Pseudonymizer: hmacless{}, Actor: "erin", ActorKind: "asserted", Build: "test", NewID: newID,
		Notify: func(s string) { f.said = append(f.said, s) },
	}
	for _, c := range change {
		c(j)
	}
	return j
}

func (f *fixture) export(change ...func(*dataset.Job)) *dataset.Result {
	f.Helper()
	r, err := dataset.Export(f.Context(), f.job(change...))
	if err != nil {
		f.Fatal(err)
	}
	return r
}

func (f *fixture) fails(want error, change ...func(*dataset.Job)) {
	f.Helper()
	if _, err := dataset.Export(f.Context(), f.job(change...)); !errors.Is(err, want) {
		f.Fatalf("got %v, want %v", err, want)
	}
}

func (f *fixture) check(file string) *dataset.Check {
	return &dataset.Check{
		Place: f.place(), File: file,
		Evidence: func(_ context.Context, b []byte) (*indelible.Event, error) {
			e, err := indelible.ParseStoredEvent(b)
			if err != nil || string(e.AppendJSON(nil)) != string(b) {
				return nil, errors.Join(indelible.ErrEvidence, err)
			}
			return e, nil
		},
		Recorded: func(_ context.Context, _, id string) (*indelible.Event, error) { return f.book.events[id], nil },
		Reader:   dataset.Reader{Unpack: compress.Reader, Rows: parquet.Rows},
	}
}

func (f *fixture) verify(file, want string) *dataset.Report {
	f.Helper()
	r, err := dataset.Verify(f.Context(), f.check(file))
	if err != nil {
		f.Fatal(err)
	}
	if r.Result != want {
		f.Fatalf("%s, want %s: %+v %v", r.Result, want, r.Problems, r.Unchecked)
	}
	return r
}

func file(name string) func(*dataset.Job) { return func(j *dataset.Job) { j.File = name } }

func all(j *dataset.Job) { j.Query.Tenants, j.Query.AllTenants = nil, true }
