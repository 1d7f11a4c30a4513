package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// killed is a ledger whose writers are killed all the time. The events that
// are recorded into it are numbered; nothing is sent before everything with a
// smaller number was acknowledged or is sent again.
type killed struct {
	t       *testing.T
	program string
	dir     string
	env     []string
	acked   int // all events below it were acknowledged
	sent    int // all events below it were sent, more or less
	places  map[int]indelible.Receipt
}

func (k *killed) command(args ...string) *exec.Cmd {
	cmd := exec.Command(k.program, append([]string{"--dir", k.dir}, args...)...)
	cmd.Env = k.env
	return cmd
}

func (k *killed) run(stdin io.Reader, args ...string) []byte {
	k.t.Helper()
	var out, errs bytes.Buffer
	cmd := k.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		k.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, errs.Bytes(), out.Bytes())
	}
	return out.Bytes()
}

func killedID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func killedLine(n int) string {
	return fmt.Sprintf(`{"id":"%s","timestamp":"2025-01-01T00:00:00Z","event_type":"e","user_id":"u","tenant_id":"t%d","resource_type":"r","resource_id":"%d","action":"a","outcome":"success"}`+"\n",
		killedID(n), n%3, n)
}

// take reads receipts until the stream ends, which may be in the middle of one.
func (k *killed) take(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var receipt indelible.Receipt
		if err := json.Unmarshal(line, &receipt); err != nil {
			k.t.Errorf("receipt %q: %v", line, err)
			return
		}
		if receipt.ID != killedID(k.acked) {
			k.t.Errorf("receipt of %s, want %s", receipt.ID, killedID(k.acked))
			return
		}
		k.places[k.acked] = receipt
		k.acked++
	}
}

// round starts a writer, feeds it without end and kills it after a while.
func (k *killed) round(ack string, after time.Duration) {
	cmd := k.command("append", "--ack", ack)
	in, err := cmd.StdinPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	fed := make(chan int)
	go func(n int) {
		for {
			if _, err := io.WriteString(in, killedLine(n)); err != nil {
				fed <- n + 1
				return
			}
			n++
		}
	}(k.acked)
	kill := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer kill.Stop()
	k.take(out)
	if cmd.Wait() == nil {
		k.t.Error("append came to an end of endless input")
	}
	k.sent = max(k.sent, <-fed)
}

// TestKill kills writers at any moment. Everything that was acknowledged is in
// the log in the end, once, in order and where the receipts say.
func TestKill(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	program := filepath.Join(home, "indelible")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k := &killed{
		t: t, program: program, dir: filepath.Join(home, "ledger"), places: make(map[int]indelible.Receipt),
		env: []string{"HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"), "PATH=" + os.Getenv("PATH")},
	}
	k.run(nil, "init")
	rounds, limit := 50, 45*time.Second
	if testing.Short() {
		rounds = 8
	}
	if os.Getenv("SOAK") != "" {
		rounds, limit = 2000, time.Hour
	}
	begun := time.Now()
	done := 0
	for ; done < rounds && time.Since(begun) < limit && !t.Failed(); done++ {
		ack := []string{"store", "journal"}[done%2]
		k.round(ack, 5*time.Millisecond+rand.N(500*time.Millisecond))
		if done%10 == 9 {
			k.run(nil, "verify") // whatever state it is in, it is sound
		}
	}
	t.Logf("%d kills, %d events acknowledged", done, k.acked)

	var rest strings.Builder
	total := k.sent + 100
	for n := k.acked; n < total; n++ {
		rest.WriteString(killedLine(n))
	}
	k.take(bytes.NewReader(k.run(strings.NewReader(rest.String()), "append")))
	k.check(total)
}

// check verifies the log and reads all of it back.
func (k *killed) check(total int) {
	t := k.t
	var report ledger.Report
	if err := json.Unmarshal(k.run(nil, "verify", "--json"), &report); err != nil {
		t.Fatal(err)
	}
	if report.Result != ledger.ResultOK || len(report.Problems) > 0 || report.Pending > 0 {
		t.Errorf("verify: %+v", report)
	}
	if entries, err := filepath.Glob(filepath.Join(k.dir, "journal", "*.journal")); err != nil || len(entries) > 0 {
		t.Errorf("journals left over: %v, %v", entries, err)
	}
	vkey, err := os.ReadFile(filepath.Join(k.dir, "log.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	_, logKey, err := indelible.ParseVerifierKey(strings.TrimSpace(string(vkey)))
	if err != nil {
		t.Fatal(err)
	}
	reading, err := (&app{dir: k.dir, env: func(string) string { return "" }}).openForReading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range reading.Entries(t.Context(), 0, reading.Checkpoint().Size) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Leaf.Kind.Recorded() {
			continue
		}
		_, id, err := reading.sealer.EventIdentity(e.Payload)
		if err != nil || string(id) != killedID(n) {
			t.Fatalf("event %d in the log is %s, %v, want %s", n, id, err, killedID(n))
		}
		receipt := k.places[n]
		if receipt.Index != nil && (*receipt.Index != e.Index || *receipt.LeafHash != indelible.LeafHash(e.Encoded)) {
			t.Errorf("event %d is at %d, its receipt says %d", n, e.Index, *receipt.Index)
		}
		if receipt.Promise != nil && n%50 == 0 {
			if err := receipt.Promise.Verify(logKey); err != nil {
				t.Errorf("event %d: %v", n, err)
			}
		}
		n++
	}
	if n != total || k.acked != total {
		t.Errorf("%d events in the log, %d acknowledged, want %d", n, k.acked, total)
	}
}
