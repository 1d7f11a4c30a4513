package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"indelible/internal/dataset"
)

// progress tells how far a long piece of work is: lines that change on a
// terminal, now and then a line elsewhere, nothing for what is done in seconds.
type progress struct {
	w        io.Writer
	unit     string
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	begun  time.Time
	shown  time.Time
	lines  int // on the terminal
	shards []dataset.Shard
}

func newProgress(w io.Writer, unit string) *progress {
	now := time.Now()
	return &progress{w: w, unit: unit, terminal: isTerminal(w), now: time.Now, begun: now, shown: now}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// maxParts is of how many parts a terminal shows how far they are.
const maxParts = 8

// parts takes what update tells beside the whole.
func (p *progress) parts(list []dataset.Shard) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shards = list
}

// state is how far something is: "10 of 40 rows, 5/s, 6s left".
func (p *progress) state(done, total uint64, took time.Duration) string {
	line := fmt.Sprintf("%d", done)
	if total > 0 {
		line += fmt.Sprintf(" of %d", max(done, total))
	}
	rate := float64(done) / max(took.Seconds(), 0.001)
	line += fmt.Sprintf(" %s, %.0f/s", p.unit, rate)
	if rate > 0 && total > done {
		line += ", " + time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second).String() + " left"
	}
	return line
}

func (p *progress) update(done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := p.now()
	if now.Sub(p.begun) < time.Second || now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	lines := []string{p.state(done, max(done, total), now.Sub(p.begun))}
	for _, s := range p.shards[:min(len(p.shards), maxParts)] {
		if s.Of > 1 {
			lines = append(lines, fmt.Sprintf("part %d of %d: ", s.Number, s.Of)+p.state(uint64(s.Rows), uint64(s.Total), s.Took))
		}
	}
	if p.terminal {
		p.clear()
		p.lines = len(lines)
		fmt.Fprint(p.w, strings.Join(lines, "\n"))
		return
	}
	fmt.Fprintln(p.w, strings.Join(lines, "; "))
}

// clear takes from the terminal what update put there.
func (p *progress) clear() {
	if p.lines > 1 {
		fmt.Fprintf(p.w, "\x1b[%dA", p.lines-1)
	}
	fmt.Fprint(p.w, "\r\x1b[J")
	p.lines = 0
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines > 0 {
		p.clear()
	}
}
