package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// serving is `serve` of a machine, while it runs.
type serving struct {
	t     *testing.T
	url   string
	http  *http.Client
	end   context.CancelFunc
	ended chan output

	mu  sync.Mutex
	log []logLine
	all bytes.Buffer
}

// logLine is a line of the server's log.
type logLine struct{ Level, Msg, Address, Err string }

// serve begins a server and returns once it listens.
func (m *machine) serve(args ...string) *serving {
	m.t.Helper()
	ctx, end := context.WithCancel(m.t.Context())
	s := &serving{t: m.t, end: end, ended: make(chan output, 1), http: &http.Client{Timeout: 30 * time.Second}}
	read, write := io.Pipe()
	logged := make(chan struct{})
	args = append([]string{"--dir", m.dir, "serve", "--listen", "127.0.0.1:0"}, args...)
	go func() {
		var out bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), &out, write, func(name string) string { return m.env[name] })
		write.Close()
		<-logged
		s.ended <- output{m.t, args, code, out.String(), s.all.String()}
	}()
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			var l logLine
			json.Unmarshal(lines.Bytes(), &l)
			s.mu.Lock()
			s.log = append(s.log, l)
			s.all.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
		}
		io.Copy(io.Discard, read)
	}()
	m.t.Cleanup(func() {
		end()
		select {
		case <-s.ended:
		case <-time.After(30 * time.Second):
		}
	})
	s.url = s.said("listening").Address
	return s
}

// said waits for a line of the log.
func (s *serving) said(msg string) (found logLine) {
	s.t.Helper()
	s.until("says "+msg, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range s.log {
			if l.Msg == msg {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// until waits for something that will be.
func (s *serving) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("never: %s\n%s", what, s.all.String())
		}
	}
}

// ask sends a request with a key, and returns the answer with its body read.
func (s *serving) ask(method, path, key, body string) (resp *http.Response, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if resp, err = s.http.Do(r); err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

// stop ends the server as a signal does.
func (s *serving) stop() output {
	s.t.Helper()
	s.end()
	select {
	case o := <-s.ended:
		s.ended <- o
		return o
	case <-time.After(60 * time.Second):
		s.t.Fatal("the server does not end")
	}
	return output{}
}

// TestConnections: they leave files for the rest of the process.
func TestConnections(t *testing.T) {
	t.Parallel()
	for files, want := range map[uint64]int{0: 64, 256: 64, 1024: 640, 20_000: 16_384, 1 << 63: 16_384} {
		if got := connectionsOf(files); got != want {
			t.Errorf("of %d files: %d connections, want %d", files, got, want)
		}
	}
}
