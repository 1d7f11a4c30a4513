package ledger_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/disk/disktest"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
	"indelible/internal/seal/keyfile"
	"indelible/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that passes by a millisecond each time somebody asks.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// publishEvery is how often the ledgers of these tests publish by themselves.
// Only a test that lets the clock pass it publishes: see writer.publish.
const publishEvery = 10 * time.Minute

// world is a log: its keys, its store and its time.
type world struct {
	t      testing.TB
	store  store.Store
	clock  *clock
	origin string
	vkey   string
	logID  indelible.ID
	logKey ed25519.PrivateKey
	idKey  [32]byte
	sealer recorder.Sealer
}

var keys = func() (k [8]ed25519.PrivateKey) {
	for i := range k {
		k[i] = ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("seed of key number %-13d", i)))
	}
	return k
}()

func publicKey(key ed25519.PrivateKey) (p indelible.PublicKey) {
	copy(p[:], key.Public().(ed25519.PublicKey))
	return p
}

// newWorld makes a log in an empty store, written by data directory 1. Its
// records are encrypted, as they are where nobody asks for anything else.
func newWorld(t testing.TB, st store.Store) (*world, *directory) {
	t.Helper()
	return newWorldOn(t, st, disktest.New())
}

func newWorldOn(t testing.TB, st store.Store, fsys disk.FS) (*world, *directory) {
	t.Helper()
	return newWorldWith(t, st, fsys, sealing)
}

// newPlainWorld makes a log whose records anybody can read.
func newPlainWorld(t testing.TB, st store.Store) (*world, *directory) {
	t.Helper()
	return newWorldWith(t, st, disktest.New(), func(*world) recorder.Sealer { return recorder.Plain })
}

// sealing makes the key store of a world. It survives whatever happens to the
// disks of the tests: nothing is acknowledged before its keys are safe.
func sealing(w *world) recorder.Sealer {
	w.t.Helper()
	dir := w.t.TempDir()
	root, err := keyfile.Create(filepath.Join(dir, "root.key"), nil)
	if err == nil {
		err = seal.Create(w.t.Context(), filepath.Join(dir, "keys.db"), w.origin)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := seal.Open(w.t.Context(), filepath.Join(dir, "keys.db"), seal.Options{Origin: w.origin, Root: root})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { keys.Close() })
	if err := keys.ApplyFences(w.t.Context(), 0, nil); err != nil { // an empty log has none
		w.t.Fatal(err)
	}
	return &recorder.Sealed{Keys: keys, Origin: w.origin, IDKey: &w.idKey}
}

func newWorldWith(t testing.TB, st store.Store, fsys disk.FS, sealer func(*world) recorder.Sealer) (*world, *directory) {
	t.Helper()
	w := &world{t: t, store: st, clock: newClock(), origin: "indelible.invalid/test", logKey: keys[0]}
	copy(w.logID[:], "log id of a test")
	copy(w.idKey[:], "id-key of a test")
	vkey, err := indelible.FormatVerifierKey(w.origin, publicKey(w.logKey))
	if err != nil {
		t.Fatal(err)
	}
	w.vkey = vkey
	w.sealer = sealer(w)
	d := w.directory(1, fsys, 1)
	if err := ledger.Create(t.Context(), d.config()); err != nil {
		t.Fatal(err)
	}
	return w, d
}

// directory is a data directory with its own writer key and disk.
type directory struct {
	w      *world
	fs     disk.FS
	store  store.Store // as this directory sees it
	writer ledger.Writer
}

// directory makes data directory number n, which may write from an epoch on.
func (w *world) directory(n int, fsys disk.FS, epoch uint64) *directory {
	w.t.Helper()
	d := &directory{w: w, fs: fsys, store: w.store}
	var id indelible.ID
	copy(id[:], fmt.Sprintf("data directory%2d", n))
	d.writer = ledger.Writer{
		Key:      keys[n],
		Endorsed: indelible.Endorse(w.logKey, w.origin, w.logID, id, publicKey(keys[n]), epoch),
	}
	if err := ledger.WriteMark(fsys, "/data", ledger.Mark{}); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (d *directory) config() ledger.Config {
	return ledger.Config{
		Store: d.store, FS: d.fs, Dir: "/data", Origin: d.w.origin, LogID: d.w.logID,
		LogKeys: []ed25519.PrivateKey{d.w.logKey}, Writer: d.writer, IDKey: &d.w.idKey, Sealer: d.w.sealer,
		CommitEvery: time.Millisecond, PublishEvery: publishEvery, Clock: d.w.clock.Now,
	}
}

// writer is a process that has a data directory open.
type writer struct {
	d        *directory
	t        testing.TB
	ledger   *ledger.Ledger
	recorder *recorder.Recorder
	closed   bool
}

func takeOver(c *ledger.Config) { c.TakeOver = true }

// open starts a process. It ends with the test at the latest.
func (d *directory) open(change ...func(*ledger.Config)) *writer {
	d.w.t.Helper()
	p, err := d.tryOpen(change...)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return p
}

func (d *directory) tryOpen(change ...func(*ledger.Config)) (*writer, error) {
	cfg := d.config()
	for _, c := range change {
		c(&cfg)
	}
	l, err := ledger.Open(cfg)
	if err != nil {
		return nil, err
	}
	p := &writer{d: d, t: d.w.t, ledger: l, recorder: recorder.New(l, cfg, cfg.Sealer.(recorder.Sealer))}
	d.w.t.Cleanup(func() { p.close() })
	return p, nil
}

// close ends the process where it stands, as a kill does as far as the store
// and the journal are concerned.
func (p *writer) close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	return p.ledger.Close()
}

func (p *writer) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

func (p *writer) ready() *writer {
	p.t.Helper()
	if err := p.ledger.Ready(p.context()); err != nil {
		p.t.Fatalf("ready: %v", err)
	}
	return p
}

// journal records events until they are durable in the journal.
func (p *writer) journal(events ...*indelible.Event) []*recorder.Pending {
	p.t.Helper()
	pending, err := p.tryRecord(false, events...)
	if err != nil {
		p.t.Fatalf("record: %v", err)
	}
	return pending
}

func (p *writer) tryRecord(awaitStore bool, events ...*indelible.Event) ([]*recorder.Pending, error) {
	pending, err := p.recorder.Record(p.context(), events, recorder.Options{AwaitStore: awaitStore})
	if err != nil {
		return nil, err
	}
	for _, x := range pending {
		if x.Err != nil {
			return nil, x.Err
		}
	}
	return pending, nil
}

// commit records events and returns their receipts from the store.
func (p *writer) commit(events ...*indelible.Event) []indelible.Receipt {
	p.t.Helper()
	receipts, err := p.tryCommit(events...)
	if err != nil {
		p.t.Fatalf("commit: %v", err)
	}
	return receipts
}

func (p *writer) tryCommit(events ...*indelible.Event) ([]indelible.Receipt, error) {
	pending, err := p.tryRecord(true, events...)
	if err != nil {
		return nil, err
	}
	var receipts []indelible.Receipt
	for _, x := range pending {
		r, done, err := x.Poll(p.context())
		if err == nil && !done {
			err = errors.New("no place in the log")
		}
		if err != nil {
			return receipts, err
		}
		receipts = append(receipts, r)
	}
	// The status comes a moment after the receipts; tests look at it next.
	size := uint64(0)
	for _, r := range receipts {
		size = max(size, *r.Index+1)
	}
	return receipts, p.ledger.AwaitSize(p.context(), size)
}

// publish brings everything into the store and publishes it.
func (p *writer) publish() *writer {
	p.t.Helper()
	if err := p.tryPublish(); err != nil {
		p.t.Fatalf("flush: %v", err)
	}
	return p
}

func (p *writer) tryPublish() error {
	p.d.w.clock.advance(publishEvery)
	return p.ledger.Flush(p.context())
}

// event makes event number n of a tenant. Equal arguments give equal events.
func event(tenant string, n int) *indelible.Event {
	return &indelible.Event{
		ID:        fmt.Sprintf("%08x-0000-4000-8000-%012x", len(tenant)*1000+int(tenant[len(tenant)-1]), n),
		Timestamp: time.Date(2025, 3, 1, 0, 0, n, 0, time.UTC),
		EventType: "access", UserID: "u", TenantID: tenant, ResourceType: "r", Action: "read", Outcome: "ok",
		Details: json.RawMessage("{}"),
	}
}

func events(tenant string, first, n int) (list []*indelible.Event) {
	for i := range n {
		list = append(list, event(tenant, first+i))
	}
	return list
}

// crashed is the disk as a power cut now would leave it.
func crashed(fsys disk.FS) disk.FS { return fsys.(*disktest.Mem).Crash(nil) }

// payload is the payload of an event, sealed as the recorder does.
func (w *world) payload(e *indelible.Event) []byte {
	w.t.Helper()
	if err := e.Validate(); err != nil {
		w.t.Fatal(err)
	}
	keys := &ledger.TenantKeys{Ref: indelible.TenantRef(&w.idKey, e.TenantID)}
	payload, made, err := w.sealer.Seal(w.t.Context(), keys, e)
	if err == nil {
		err = w.sealer.Durable(w.t.Context(), made)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return payload
}
