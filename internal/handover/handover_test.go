package handover_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/handover"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/sample"
)

// holder is a process that holds a data directory.
type holder struct {
	dir    string
	ledger *ledger.Ledger
	server *handover.Server
}

func noEnv(string) string { return "" }

func newDir(t *testing.T, dir string) {
	t.Helper()
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	if _, err := datadir.Init(t.Context(), dir, datadir.InitOptions{Store: store}, noEnv); err != nil {
		t.Fatal(err)
	}
}

func hold(t *testing.T, dir string) *holder {
	t.Helper()
	d, err := datadir.Open(t.Context(), dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sealer = recorder.Plain
	cfg.CommitEvery = 5 * time.Millisecond
	l, err := ledger.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := handover.Serve(dir, l, recorder.New(l, cfg, recorder.Plain), orders)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{dir, l, s}
}

// orders answers with the order, unless it asks to fail.
func orders(_ context.Context, order []byte) ([]byte, error) {
	if strings.Contains(string(order), "fail") {
		return nil, errors.New("refused")
	}
	return []byte(`{"did":` + string(order) + `}`), nil
}

func (h *holder) end(t *testing.T) {
	t.Helper()
	if err := errors.Join(h.server.Close(h.dir), h.ledger.Close()); err != nil {
		t.Fatal(err)
	}
}

func events(seed uint64, n int) (list []*indelible.Event) {
	for e := range sample.Events(seed, n) {
		list = append(list, e)
	}
	return list
}

func dial(t *testing.T, dir string) *handover.Client {
	t.Helper()
	c, err := handover.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	c := dial(t, dir)
	list := events(1, 300)
	list[7] = &indelible.Event{ID: list[7].ID, TenantID: "acme"} // refused: half of it is missing
	pending, away, err := c.Record(t.Context(), list, recorder.Options{AwaitStore: true})
	if err != nil || away != nil {
		t.Fatal(err, away)
	}
	for i, p := range pending {
		receipt := p.Settle()
		var field *indelible.FieldError
		switch {
		case i == 7:
			if !errors.As(p.Err, &field) || field.Field == "" || field.Hint == "" && field.Problem == "" {
				t.Errorf("event 7 was answered %v, want a field error", p.Err)
			}
		case p.Err != nil:
			t.Errorf("event %d: %v", i, p.Err)
		case receipt.Durability != indelible.DurableStore || receipt.Index == nil || receipt.ID != list[i].ID:
			t.Errorf("event %d: receipt %+v", i, receipt)
		}
	}
	// The same again, one of them with other content.
	again := events(1, 3)
	again[1].Action = "other"
	pending, _, err = c.Record(t.Context(), again, recorder.Options{AwaitStore: true})
	if err != nil {
		t.Fatal(err)
	}
	if r := pending[0].Settle(); !r.Repeat {
		t.Errorf("a repeat was answered %+v", r)
	}
	if err := pending[1].Err; !errors.Is(err, recorder.ErrConflict) || strings.Count(err.Error(), recorder.ErrConflict.Error()) != 1 {
		t.Errorf("a conflict was answered %v", err)
	}
	if away, err := c.Flush(t.Context()); err != nil || away != nil {
		t.Fatal(err, away)
	}
	if s := h.ledger.Status(); s.Published != s.Size {
		t.Errorf("after a flush %d of %d leaves are published", s.Published, s.Size)
	}
}

// TestHolderEnds sends the same batch again after its answers were lost.
func TestHolderEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	c := dial(t, dir)
	list := events(2, 100)
	if _, _, err := c.Record(t.Context(), list, recorder.Options{AwaitStore: true}); err != nil {
		t.Fatal(err)
	}
	h.end(t)
	if _, _, err := c.Record(t.Context(), list, recorder.Options{}); !errors.Is(err, handover.ErrGone) {
		t.Fatalf("after the holder's end: %v, want ErrGone", err)
	}
	if _, err := handover.Dial(t.Context(), dir); !errors.Is(err, handover.ErrGone) {
		t.Fatalf("dialling nobody: %v, want ErrGone", err)
	}
	h = hold(t, dir)
	defer h.end(t)
	pending, _, err := dial(t, dir).Record(t.Context(), list, recorder.Options{AwaitStore: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pending {
		if r := p.Settle(); p.Err != nil || !r.Repeat {
			t.Errorf("event %d sent again: %+v, %v", i, r, p.Err)
		}
	}
}

// TestHostile sends what is no request; the holder goes on answering others.
func TestHostile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	if info, err := os.Stat(filepath.Join(dir, "writer.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v, %v; want mode 0600", info, err)
	}
	for _, text := range []string{"", "\n", "garbage\n", "{}\n", `{"version":2,"op":"append"}` + "\n", `{"version":1,"op":"erase"}` + "\n",
		`{"version":1,"op":"append","count":-1}` + "\n", `{"version":1,"op":"append","count":999999999}` + "\n",
		`{"version":1,"op":"append","count":2}` + "\n{}\n", strings.Repeat("x", 10<<20) + "\n"} {
		conn, err := net.Dial("unix", filepath.Join(dir, "writer.sock"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, text)
		conn.(*net.UnixConn).CloseWrite()
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 4096)
		if _, err := conn.Read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("no answer and no end to %.40q", text)
		}
		conn.Close()
	}
	if _, _, err := dial(t, dir).Record(t.Context(), events(3, 5), recorder.Options{AwaitStore: true}); err != nil {
		t.Fatal(err)
	}
}

// TestLongPath reaches a socket whose path is too long for an address.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	if _, _, err := dial(t, dir).Record(t.Context(), events(4, 5), recorder.Options{AwaitStore: true}); err != nil {
		t.Fatal(err)
	}
}

// TestManyClients hands over from several processes at once.
func TestManyClients(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	const clients, each = 8, 200
	errs := make(chan error, clients)
	for c := range clients {
		go func() {
			client, err := handover.Dial(context.Background(), dir)
			if err != nil {
				errs <- err
				return
			}
			defer client.Close()
			_, _, err = client.Record(context.Background(), events(uint64(10+c), each), recorder.Options{AwaitStore: true})
			errs <- err
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := h.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := h.ledger.Status(); s.Size < clients*each {
		t.Errorf("%d leaves, %d events were handed over", s.Size, clients*each)
	}
}

// TestSystemEvents: the log's own tenants take events only from who says that
// they come from this program.
func TestSystemEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	c := dial(t, dir)
	defer c.Close()
	e := events(1, 1)[0]
	e.TenantID = "_system"
	for _, system := range []bool{false, true} {
		pending, _, err := c.Record(t.Context(), []*indelible.Event{e}, recorder.Options{System: system})
		if err != nil {
			t.Fatal(err)
		}
		if taken := pending[0].Err == nil; taken != system {
			t.Errorf("System %v: %v", system, pending[0].Err)
		}
	}
}

// TestOrder: what the commands say to each other passes unread, errors as words.
func TestOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newDir(t, dir)
	h := hold(t, dir)
	defer h.end(t)
	c := dial(t, dir)
	got, err := c.Order(t.Context(), []byte(`{"do":"this"}`))
	if err != nil || string(got) != `{"did":{"do":"this"}}` {
		t.Errorf("answered %s, %v", got, err)
	}
	if _, err := c.Order(t.Context(), []byte(`{"do":"fail"}`)); err == nil || err.Error() != "refused" {
		t.Errorf("a refusal came as %v", err)
	}
	if _, err := c.Flush(t.Context()); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}
