package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/ledger"
)

// testLog is a ledger in a folder of its own.
type testLog struct {
	*testing.T
	dir string
	env func(string) string
}

// newTestLog makes a ledger with n sample events.
func newTestLog(t *testing.T, n int) *testLog {
	t.Helper()
	state := t.TempDir()
	l := &testLog{t, filepath.Join(t.TempDir(), "log"), func(name string) string {
		if name == "XDG_STATE_HOME" {
			return state
		}
		return ""
	}}
	l.run("", "init", "--origin", "logs.example.com/audit")
	l.add(n, 1)
	return l
}

func (l *testLog) add(n, seed int) {
	l.Helper()
	if n > 0 {
		events := l.run("", "sample", "events", "--rows", fmt.Sprint(n), "--seed", fmt.Sprint(seed))
		l.run(events, "append", "-q")
	}
}

// run runs a command that must succeed and returns its output.
func (l *testLog) run(stdin string, args ...string) string {
	l.Helper()
	out, code := l.exit(stdin, args...)
	if code != exitOK {
		l.Fatalf("%v: exit code %d", args, code)
	}
	return out
}

func (l *testLog) exit(stdin string, args ...string) (string, int) {
	l.Helper()
	var out, errs bytes.Buffer
	code := run(l.Context(), append([]string{"--dir", l.dir}, args...), strings.NewReader(stdin), &out, &errs, l.env)
	l.Logf("%v: %s", args, &errs)
	return out.String(), code
}

func (l *testLog) vkey() string {
	l.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "log.vkey"))
	if err != nil {
		l.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (l *testLog) policy() torchwood.Policy {
	l.Helper()
	v, err := note.NewVerifier(l.vkey())
	if err != nil {
		l.Fatal(err)
	}
	return torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
}

// The copy made by tiles is a log to a client that knows C2SP tlog-tiles and
// nothing of us.
func TestTilesForClients(t *testing.T) {
	t.Parallel()
	for _, events := range []int{0, 20, 250, 600} {
		t.Run(fmt.Sprint(events), func(t *testing.T) {
			t.Parallel()
			l := newTestLog(t, events)
			out := filepath.Join(t.TempDir(), "static")
			l.run("", "tiles", out)
			files, err := torchwood.NewTileFS(os.DirFS(out))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := files.ReadEndpoint(t.Context(), "checkpoint")
			if err != nil {
				t.Fatal(err)
			}
			c, _, err := torchwood.VerifyCheckpoint(signed, l.policy())
			if err != nil {
				t.Fatal(err)
			}
			client, err := torchwood.NewClient(files)
			if err != nil {
				t.Fatal(err)
			}
			recorded, next := 0, int64(0)
			for i, entry := range client.AllEntries(t.Context(), c.Tree, 0) {
				var leaf indelible.Leaf
				if err := leaf.Decode(entry); err != nil || i != next {
					t.Fatalf("entry %d, want %d: %v", i, next, err)
				}
				if leaf.Kind.Recorded() {
					recorded++
				}
				next++
			}
			if err := client.Err(); err != nil || next != c.N || recorded != events {
				t.Errorf("%d entries of %d, %d of them events of %d: %v", next, c.N, recorded, events, err)
			}
		})
	}
}

// The proof inside evidence is a C2SP tlog-proof that other programs accept.
func TestProofForClients(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 300)
	for _, index := range []string{"0", "3", "255", "256", "307"} {
		var e indelible.Evidence
		if err := json.Unmarshal([]byte(l.run("", "prove", index)), &e); err != nil {
			t.Fatal(err)
		}
		if err := torchwood.VerifyProof(l.policy(), tlog.RecordHash(e.Leaf), []byte(e.Proof)); err != nil {
			t.Errorf("leaf %s: %v", index, err)
		}
	}
}

// Whatever byte of evidence is changed: it holds no longer, or says the same.
func TestChangedEvidence(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 12)
	var tenant struct {
		Event indelible.Event `json:"event"`
	}
	if err := json.Unmarshal([]byte(l.run("", "show", "3", "--json")), &tenant); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"event": {"prove", "3"}, "skeleton": {"prove", "3", "--without-person"}, "completeness": {"prove", "--tenant", tenant.Event.TenantID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := []byte(l.run("", args...))
			c := &checking{vkey: l.vkey(), opt: checkOptions{key: l.vkey()}}
			check := func(b []byte) (*checked, error) { return c.evidence(t.Context(), b) }
			if name == "completeness" {
				check = func(b []byte) (*checked, error) { return c.completeness(t.Context(), b) }
			}
			want := said(t, check, whole)
			if want == "" {
				t.Fatal("the evidence itself does not hold")
			}
			survived := 0
			for i := range whole {
				for _, bit := range []byte{0x01, 0x20, 0x80} {
					changed := bytes.Clone(whole)
					changed[i] ^= bit
					switch got := said(t, check, changed); got {
					case "":
					case want:
						survived++
					default:
						t.Fatalf("byte %d xor %#x: it now proves\n%s\nand not\n%s", i, bit, got, want)
					}
				}
			}
			// Letters of member names, white space, spare bits of base64.
			if survived > len(whole)/4 {
				t.Errorf("%d of %d changes went unseen", survived, 3*len(whole))
			}
		})
	}
}

// said is what a check proves, as text; empty if it proves nothing. The
// checkpoint's text is left out: signatures of others in it are not looked at.
func said(t *testing.T, check func([]byte) (*checked, error), text []byte) string {
	out, err := check(text)
	if err != nil {
		return ""
	}
	out.Checkpoint = ""
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A promise that was not kept in time is proved by the receipt.
func TestBrokenPromise(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 5)
	b, err := os.ReadFile(filepath.Join(l.dir, "keys", "writer.key"))
	if err != nil {
		t.Fatal(err)
	}
	var key struct {
		Key         []byte           `json:"key"`
		Endorsement indelible.Writer `json:"endorsement"`
	}
	if err := json.Unmarshal(b, &key); err != nil {
		t.Fatal(err)
	}
	var genesis struct {
		Content indelible.Genesis `json:"content"`
	}
	if err := json.Unmarshal([]byte(l.run("", "show", "0", "--json")), &genesis); err != nil {
		t.Fatal(err)
	}
	promised := func(at time.Time) string {
		p := &indelible.Promise{
			Origin: "logs.example.com/audit", LogID: genesis.Content.LogID, Records: 1, Time: at.UnixMilli(),
			MergeBy: at.Add(indelible.MergeWithin).UnixMilli(), Path: []indelible.Hash{}, Writer: key.Endorsement,
		}
		root := indelible.RecordHash(p.EventRef, p.PayloadHash, 0)
		message := indelible.ReceiptMessage(p.LogID, p.Journal, p.Group, p.Time, root)
		copy(p.Signature[:], ed25519.Sign(ed25519.NewKeyFromSeed(key.Key), message))
		line, err := json.Marshal(indelible.Receipt{ID: "11111111-1111-4111-8111-111111111111", TenantID: "acme", Durability: "journal", Promise: p})
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	for _, test := range []struct {
		at   time.Time
		code int
		kept string
	}{
		{time.Now().Add(-time.Hour), exitOK, `"kept":"pending"`},
		{time.Now().Add(-25 * time.Hour), exitTampered, "the promise was broken"},
	} {
		out, code := l.exit(promised(test.at), "check", "-", "--json")
		if code != test.code || !strings.Contains(out, test.kept) {
			t.Errorf("promised %s: exit code %d, %s", test.at, code, out)
		}
	}
}

// A reader whose checkpoint is no longer the newest goes on reading: what was
// superseded meanwhile stands in the full tiles.
func TestReadWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 20)
	a := &app{env: l.env, dir: l.dir}
	r, err := a.openForReading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Tenants(t.Context(), r.sealer)
	if err != nil {
		t.Fatal(err)
	}
	l.add(300, 2)
	after, err := r.Tenants(t.Context(), r.sealer)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("tenants %q, before %q: %v", after, before, err)
	}
	c, err := r.ProveTenant(t.Context(), before[0], r.sealer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(l.vkey()); err != nil {
		t.Error(err)
	}
	if err := r.Refresh(t.Context()); err != nil || r.Checkpoint().Size < 300 {
		t.Errorf("size %d: %v", r.Checkpoint().Size, err)
	}
}

// tail -f shows what is published after it began, and ends by Ctrl-C.
func TestFollow(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 3)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	in, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--dir", l.dir, "tail", "-f", "-n", "1", "--json"}, nil, out, io.Discard, l.env)
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	read := func() (e entry) {
		if !lines.Scan() {
			t.Fatalf("tail ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := read()
	l.add(4, 2)
	last := first.Index
	for range 4 {
		e := read()
		if e.Index <= last || e.Kind != "event" {
			t.Errorf("leaf %d, a %s, after %d", e.Index, e.Kind, last)
		}
		last = e.Index
	}
	interrupt()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

// Newest finds the same leaves as a walk from the beginning.
func TestNewest(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 600)
	a := &app{env: l.env, dir: l.dir}
	r, err := a.openForReading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keep := func(leaf *indelible.Leaf) bool { return leaf.TenantNo == 2 && leaf.Kind.Recorded() }
	var all []*ledger.Entry
	for e, err := range r.Since(t.Context(), 0, keep) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	for _, n := range []int{0, 1, 10, 32, 33, len(all), len(all) + 1} {
		want := all[max(0, len(all)-n):]
		i := 0
		for e, err := range r.Newest(t.Context(), n, keep) {
			if err != nil || i >= len(want) || e.Index != want[i].Index || !bytes.Equal(e.Payload, want[i].Payload) {
				t.Fatalf("n %d: entry %d is leaf %d: %v", n, i, e.Index, err)
			}
			i++
		}
		if i != len(want) {
			t.Errorf("n %d: %d entries, want %d", n, i, len(want))
		}
	}
	// Leaving the loop early is no error and ends the reading.
	for range r.Since(t.Context(), 0, keep) {
		break
	}
	if _, err := r.Entry(t.Context(), 1<<40); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("leaf beyond the end: %v", err)
	}
}
