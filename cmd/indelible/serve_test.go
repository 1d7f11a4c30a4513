package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"indelible"
	"indelible/client"
)

// served is a server that is begun and ended again and again.
type served struct {
	t       *testing.T
	program string
	dir     string
	address string
	env     []string
}

func (s *served) run(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(s.program, append([]string{"--dir", s.dir}, args...)...)
	cmd.Env = s.env
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, errs.Bytes(), out)
	}
	return string(out)
}

// begin starts the server and returns once it listens.
func (s *served) begin() *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(s.program, "--dir", s.dir, "serve", "--listen", s.address, "--verify-every", "0")
	cmd.Env = s.env
	out, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), `"msg":"listening"`) {
			go io.Copy(io.Discard, out)
			return cmd
		}
	}
	s.t.Fatalf("the server does not listen: %v\n%s", cmd.Wait(), strings.Join(said, "\n"))
	return nil
}

// peak is the most memory a process that has ended took, in MiB, where that is known.
func peak(cmd *exec.Cmd) int64 {
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
		return u.Maxrss >> 10
	}
	return 0
}

// TestServerKilled: while a server is killed and begun again, a client with a
// spool loses nothing and doubles nothing. It weighs the heap of this process, and
// so runs alone in it.
func TestServerKilled(t *testing.T) {
	home := t.TempDir()
	program := filepath.Join(home, "indelible")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := &served{t: t, program: program, dir: filepath.Join(home, "ledger"), address: l.Addr().String(),
		env: append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+filepath.Join(home, "state"))}
	s.run("init")
	key := strings.TrimSpace(s.run("keys", "api", "add", "--name", "app", "--role", "writer", "--tenant", "acme"))
	receipts := filepath.Join(home, "receipts.jsonl")
	c, err := client.New(client.Config{URL: "http://" + s.address, Key: key, Spool: filepath.Join(home, "spool"), Receipts: receipts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Refused: func(event []byte, why error) { t.Errorf("%s: %v", event, why) }})
	if err != nil {
		t.Fatal(err)
	}
	rounds, each := 10, 1500
	if testing.Short() {
		rounds = 2
	}
	if os.Getenv("SOAK") != "" {
		each = 100_000
	}
	var heaps []uint64
	for round := range rounds {
		cmd := s.begin()
		for i := range each {
			e := indelible.Event{ID: killedID(round*each + i), TenantID: "acme", UserID: fmt.Sprint("u", i%7), EventType: "e", ResourceType: "r", Action: "a", Outcome: "success"}
			if err := c.Record(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if i == each*(round+1)/(rounds+1) {
				cmd.Process.Kill()
				cmd.Wait()
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heaps = append(heaps, m.HeapInuse>>20)
		t.Logf("round %d: the server took up to %d MiB, the client's heap is %d MiB", round, peak(cmd), m.HeapInuse>>20)
	}
	// What the client keeps does not grow with what it was given.
	if first, last := heaps[0], heaps[len(heaps)-1]; last > first+32 {
		t.Errorf("the client's heap grew from %d to %d MiB: %d", first, last, heaps)
	}
	cmd := s.begin()
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("a server that is asked to end: %v", err)
	}
	t.Logf("at the end: the server took up to %d MiB", peak(cmd))
	var report struct {
		Result string
		Events int
	}
	if err := json.Unmarshal([]byte(s.run("verify", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Result != "ok" || report.Events != rounds*each {
		t.Errorf("verify says %+v, want %d events", report, rounds*each)
	}
	ids := make(map[string]bool)
	b, err := os.ReadFile(receipts)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var r indelible.Receipt
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		ids[r.ID] = true
	}
	if len(ids) != rounds*each {
		t.Errorf("%d of %d events have a receipt", len(ids), rounds*each)
	}
}
