package client

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 30 * time.Second
	maxAnswer = 64 << 20
)

// deliver sends batches, one after the other, each until it is answered for.
func (c *Client) deliver() {
	for {
		b, ok := c.nextBatch()
		if !ok {
			return
		}
		for lines := b.lines; len(lines) > 0; {
			n := fitting(lines)
			if !c.sendAll(lines[:n]) {
				return
			}
			lines = lines[n:]
		}
		if b.file != "" {
			if err := c.spool.remove(b.file); err != nil {
				c.cfg.Log.Error("a file of the spool that was sent stays, and is sent again", "err", err)
			}
		}
		c.took(-len(b.lines))
	}
}

// nextBatch waits for something to send.
func (c *Client) nextBatch() (batch, bool) {
	if c.spool == nil {
		select {
		case b := <-c.batches:
			return b, true
		case <-c.ctx.Done():
			return batch{}, false
		}
	}
	for {
		b, err := c.spool.next()
		if err != nil {
			c.cfg.Log.Error("the spool cannot be read", "err", err)
		} else if b.file != "" {
			return b, true
		}
		if !c.pause(c.cfg.Every) {
			return batch{}, false
		}
	}
}

// fitting is how many lines fit one request.
func fitting(lines [][]byte) int {
	n, size := 0, 0
	for n < len(lines) && n < maxBatch && (n == 0 || size+len(lines[n]) <= maxBatchBytes) {
		size += len(lines[n])
		n++
	}
	return n
}

// sendAll sends lines until the server has taken or refused each of them. It gives
// up only when the client ends.
func (c *Client) sendAll(lines [][]byte) bool {
	for wait := firstWait; len(lines) > 0; wait = min(2*wait, lastWait) {
		left, after, err := c.send(lines)
		if c.ctx.Err() != nil {
			return false
		}
		if len(left) < len(lines) {
			wait = firstWait // something got through
		}
		if lines = left; len(lines) == 0 {
			return true
		}
		if err != nil {
			c.cfg.Log.Warn("events wait to be sent again", "events", len(lines), "err", err)
		}
		if !c.pause(max(after, rand.N(wait)+wait/2)) {
			return false
		}
	}
	return true
}

func (c *Client) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// result is the answer to one line.
type result struct {
	Line    int             `json:"line"`
	Status  int             `json:"status"`
	Receipt json.RawMessage `json:"receipt"`
	Problem *struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Field  string `json:"field"`
	} `json:"problem"`
}

// send sends lines once. left are those that have to be sent again, after a while
// that the server may name.
func (c *Client) send(lines [][]byte) (left [][]byte, after time.Duration, err error) {
	var body bytes.Buffer
	z, _ := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	for _, line := range lines {
		z.Write(line)
	}
	if err := z.Close(); err != nil {
		return lines, 0, err
	}
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.endpoint, &body)
	if err != nil {
		return lines, 0, err
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Key)
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Content-Encoding", "gzip")
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return lines, 0, err
	}
	defer resp.Body.Close()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		after = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	if resp.StatusCode != http.StatusOK {
		// A key that is refused now may be the right one after a rotation, so
		// nothing is thrown away for it.
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return lines, after, fmt.Errorf("the server answers %d: %s", resp.StatusCode, bytes.TrimSpace(text))
	}
	return c.results(lines, io.LimitReader(resp.Body, maxAnswer), after)
}

// results reads what the server says of each line. A line it says nothing of is
// sent again; that doubles nothing.
func (c *Client) results(lines [][]byte, answer io.Reader, after time.Duration) ([][]byte, time.Duration, error) {
	settled := make([]bool, len(lines))
	var receipts []byte
	var err error
	d := json.NewDecoder(bufio.NewReader(answer))
	for {
		var r result
		if err = d.Decode(&r); err != nil {
			break
		}
		i := r.Line - 1
		switch {
		case i < 0 || i >= len(lines):
			continue
		case r.Status/100 == 2 && len(r.Receipt) > 0:
			settled[i] = true
			receipts = append(append(receipts, r.Receipt...), '\n')
		case r.Status == http.StatusConflict, r.Status == http.StatusUnprocessableEntity, r.Status == http.StatusForbidden:
			settled[i] = true
			c.refused(lines[i], r)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if kept := c.keepReceipts(receipts); kept != nil {
		c.cfg.Log.Error("receipts cannot be kept", "err", kept)
	}
	var left [][]byte
	for i, line := range lines {
		if !settled[i] {
			left = append(left, line)
		}
	}
	if len(left) > 0 && err == nil {
		err = errors.New("the server could not take all of them")
	}
	return left, after, err
}

func (c *Client) refused(line []byte, r result) {
	why := fmt.Errorf("%w: status %d", ErrRefused, r.Status)
	if p := r.Problem; p != nil {
		why = fmt.Errorf("%w: %s %s %s", ErrRefused, p.Title, p.Field, p.Detail)
	}
	if c.cfg.Refused != nil {
		c.cfg.Refused(bytes.TrimSuffix(line, []byte("\n")), why)
		return
	}
	c.cfg.Log.Error("an event was refused and is dropped", "err", why)
}

// keepReceipts appends receipts to their file, before the events are forgotten.
func (c *Client) keepReceipts(b []byte) error {
	if c.cfg.Receipts == "" || len(b) == 0 {
		return nil
	}
	f, err := os.OpenFile(c.cfg.Receipts, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
