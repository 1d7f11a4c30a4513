package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells how far a long piece of work is: one line that changes on a
// terminal, now and then a line elsewhere, nothing for what is done in seconds.
type progress struct {
	w        io.Writer
	unit     string
	terminal bool

	mu    sync.Mutex
	begun time.Time
	shown time.Time
	any   bool
}

func newProgress(w io.Writer, unit string) *progress {
	now := time.Now()
	return &progress{w: w, unit: unit, terminal: isTerminal(w), begun: now, shown: now}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) update(done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.begun) < time.Second || now.Sub(p.shown) < every {
		return
	}
	p.shown, p.any = now, true
	rate := float64(done) / now.Sub(p.begun).Seconds()
	line := fmt.Sprintf("%d of %d %s, %.0f/s", done, total, p.unit, rate)
	if rate > 0 && total > done {
		line += ", " + time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second).String() + " left"
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.any && p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
