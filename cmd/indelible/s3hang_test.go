package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/store/s3/s3test"
)

// A gate stands before a server. While it is shut, connections are accepted,
// and nothing is ever answered.
type gate struct {
	url string

	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{url: "http://" + l.Addr().String(), open: make(chan struct{})}
	close(g.open)
	ctx, end := context.WithCancel(t.Context())
	t.Cleanup(func() { end(); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.serve(ctx, c, strings.TrimPrefix(server, "http://"))
		}
	}()
	return g
}

func (g *gate) serve(ctx context.Context, c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { c.Close(); s.Close() })
	defer stop()
	go func() { io.Copy(s, c); s.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		select {
		case <-open:
		case <-ctx.Done():
			return
		}
		if _, werr := c.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) opened() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// TestS3Hangs: a store that takes requests and never answers is away like one
// that cannot be reached.
func TestS3Hangs(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	g := newGate(t, server.Endpoint)
	m.env["S3_ENDPOINT"] = g.url
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 100), "append", "-q").want(exitOK)

	// In the middle of a run.
	in := newFeed()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan output, 1)
	go func() { ended <- m.runReading(ctx, in, "append") }()
	in.send(t, sampleLines(0, 600))
	g.shut()
	begun := time.Now()
	in.send(t, sampleLines(50, 750))
	in.w.Close()
	o := (<-ended).want(exitOK, "the store does not answer", "in the journal only")
	took := time.Since(begun)
	t.Logf("in the middle: %v", took)
	if took > 15*time.Second {
		t.Errorf("append took %v with a store that hangs", took)
	}
	if got := durabilities(o.receipts()); got[indelible.DurableJournal] == 0 {
		t.Errorf("receipts: %v", got)
	}

	// From the beginning.
	begun = time.Now()
	o = m.runWith(sampleLines(800, 30), "append").want(exitOK, "the store does not answer")
	took = time.Since(begun)
	t.Logf("from the beginning: %v", took)
	if took > 15*time.Second {
		t.Errorf("append took %v with a store that hangs", took)
	}
	if got := durabilities(o.receipts()); got[indelible.DurableJournal] != 30 {
		t.Errorf("receipts: %v", got)
	}

	g.opened()
	m.runWith(sampleLines(830, 1), "append").want(exitOK, "1 recorded")
	m.wantClean(831)
}
