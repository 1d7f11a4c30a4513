// Package client sends audit events to an Indelible server.
//
// Events are gathered into batches, sent again until the server has answered for
// each, and never doubled: an event has an id from the moment it is taken. With a
// spool directory an event is on this machine's disk before Record returns, and is
// sent by the next process if this one ends first.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"indelible"
)

// Config is what a client is made of. URL and Key must be set.
type Config struct {
	URL string // of the server, such as http://127.0.0.1:8443
	Key string // an API key whose role is writer

	// Spool is a directory of this client alone. Without one, events that were
	// not sent when the process ends are lost.
	Spool string
	// Receipts is a file that the server's signed receipts are appended to;
	// `indelible check` reads it.
	Receipts string

	// Refused is called for an event the server will never take, and why.
	Refused func(event []byte, why error)

	Queue int           // events waiting without a spool, after which Record waits; 10,000
	Every time.Duration // how long an event waits for others; 100 ms
	HTTP  *http.Client  // one with sensible timeouts
	Log   *slog.Logger  // slog.Default()
}

// Errors of a client.
var (
	ErrClosed  = errors.New("client is closed")
	ErrRefused = errors.New("the server does not take this event")
)

// Client sends events. Its methods may be called at the same time.
type Client struct {
	cfg      Config
	endpoint string
	items    chan item
	batches  chan batch
	spool    *spool // or nil

	mu      sync.Mutex
	closed  bool
	waiting int // events taken and not answered for
	idle    chan struct{}
	err     error // of the disk: nothing more is taken

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// item is an event on its way into a batch.
type item struct {
	line []byte
	done chan error
}

// batch is what is sent together: lines in memory, or a file of the spool.
type batch struct {
	lines [][]byte
	file  string
}

const (
	maxBatch      = 500
	maxBatchBytes = 4 << 20
)

// New makes a client. What an earlier process left in the spool is sent first.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a server", cfg.URL)
	}
	if cfg.Key == "" || strings.ContainsAny(cfg.Key, " \r\n") {
		return nil, errors.New("the API key is missing, or is none")
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 10_000
	}
	if cfg.Every <= 0 {
		cfg.Every = 100 * time.Millisecond
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Timeout: 60 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	c := &Client{cfg: cfg, endpoint: strings.TrimSuffix(cfg.URL, "/") + "/v1/events", items: make(chan item, min(cfg.Queue, 1000)), idle: make(chan struct{})}
	close(c.idle)
	room := max(1, cfg.Queue/maxBatch)
	if cfg.Spool != "" {
		var left int
		if c.spool, left, err = openSpool(cfg.Spool); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		c.took(left)
		room = 1 // files wait on the disk
	}
	c.batches = make(chan batch, room)
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.wg.Go(c.gather)
	c.wg.Go(c.deliver)
	return c, nil
}

// Record takes an event. It returns when the event is on the disk, with a spool,
// and otherwise when it is in the queue. An event without id gets one, one without
// timestamp the present time. The error is a *indelible.FieldError if the event is
// not valid.
func (c *Client) Record(ctx context.Context, e indelible.Event) error {
	if e.ID == "" {
		e.ID = newID(time.Now())
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	if err := e.Validate(); err != nil {
		return err
	}
	it := item{append(e.AppendCanonical(nil), '\n'), make(chan error, 1)}
	if err := c.take(); err != nil {
		return err
	}
	select {
	case c.items <- it:
	case <-ctx.Done():
		c.took(-1)
		return ctx.Err()
	case <-c.ctx.Done():
		c.took(-1)
		return ErrClosed
	}
	if c.spool == nil {
		return nil
	}
	// Once it is handed over it may be sent, so the answer is waited for.
	select {
	case err := <-it.done:
		return err
	case <-c.ctx.Done():
		return ErrClosed
	}
}

// take counts an event in, unless none are taken any more.
func (c *Client) take() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.err != nil:
		return c.err
	}
	c.count(1)
	return nil
}

// took changes how many events are waiting.
func (c *Client) took(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(n)
}

func (c *Client) count(n int) {
	was := c.waiting
	c.waiting += n
	if was == 0 && c.waiting > 0 {
		c.idle = make(chan struct{})
	} else if was > 0 && c.waiting == 0 {
		close(c.idle)
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// Flush waits until the server has answered for every event taken so far.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close sends what is waiting for as long as ctx lasts, and ends the client. With
// a spool, what was not sent stays there.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.closed = true
	c.mu.Unlock()
	err := c.Flush(ctx)
	c.stop()
	c.wg.Wait()
	c.mu.Lock()
	left := c.waiting
	c.mu.Unlock()
	if c.spool != nil {
		return c.spool.close()
	}
	if err != nil {
		return fmt.Errorf("%d events were not sent: %w", left, err)
	}
	return nil
}

// gather makes batches of what Record takes.
func (c *Client) gather() {
	for {
		var first item
		select {
		case first = <-c.items:
		case <-c.ctx.Done():
			return
		}
		taken := []item{first}
		size := len(first.line)
		if c.spool == nil {
			c.wait(&taken, &size)
			if !c.pass(batch{lines: linesOf(taken)}) {
				return
			}
			continue
		}
		// Those who come while the disk is busy share the next write.
		for more := true; more && len(taken) < maxBatch && size < maxBatchBytes; {
			select {
			case it := <-c.items:
				taken, size = append(taken, it), size+len(it.line)
			default:
				more = false
			}
		}
		err := c.spool.add(taken)
		if err != nil {
			c.fail(fmt.Errorf("spool: %w", err))
			c.took(-len(taken))
		}
		for _, it := range taken {
			it.done <- err
		}
	}
}

// wait gathers more events for a while.
func (c *Client) wait(taken *[]item, size *int) {
	timer := time.NewTimer(c.cfg.Every)
	defer timer.Stop()
	for len(*taken) < maxBatch && *size < maxBatchBytes {
		select {
		case it := <-c.items:
			*taken, *size = append(*taken, it), *size+len(it.line)
		case <-timer.C:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func linesOf(items []item) [][]byte {
	lines := make([][]byte, len(items))
	for i, it := range items {
		lines[i] = it.line
	}
	return lines
}

func (c *Client) pass(b batch) bool {
	select {
	case c.batches <- b:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// newID draws a UUIDv7.
func newID(now time.Time) string {
	var b [16]byte
	rand.Read(b[6:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
