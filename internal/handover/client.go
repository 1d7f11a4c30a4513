package handover

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"indelible"
	"indelible/internal/recorder"
)

// ErrGone: the process that held the data directory ended or never listened.
// What was not answered may or may not be recorded; sending it again is safe.
var ErrGone = errors.New("the process that writes to this data directory went away")

// Client hands events to the process that holds a data directory.
type Client struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

// Dial connects to the holder of a data directory.
func Dial(ctx context.Context, dir string) (*Client, error) {
	var conn net.Conn
	err := withSocket(dir, func(path string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return &Client{conn, bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Record hands a batch over and waits for the answers. Events without an id
// get one first. away says why the store is away, if it is.
func (c *Client) Record(ctx context.Context, events []*indelible.Event, opt recorder.Options) (pending []*recorder.Pending, away error, err error) {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	req := request{Version: protocolVersion, Op: opAppend, Count: len(events), AwaitStore: opt.AwaitStore, Import: opt.Import, System: opt.System}
	if err := writeLine(c.w, req); err != nil {
		return nil, nil, c.gone(ctx, err)
	}
	var line []byte
	for _, e := range events {
		if err := recorder.Identify(e); err != nil {
			return nil, nil, err
		}
		line = append(e.AppendJSON(line[:0]), '\n')
		if _, err := c.w.Write(line); err != nil {
			return nil, nil, c.gone(ctx, err)
		}
	}
	if err := c.w.Flush(); err != nil {
		return nil, nil, c.gone(ctx, err)
	}
	for _, e := range events {
		rep, err := c.reply(ctx)
		if err != nil {
			return nil, nil, err
		}
		if rep.Away != "" {
			away = errors.New(rep.Away)
		}
		switch {
		case rep.Receipt != nil:
			pending = append(pending, recorder.Settled(e, *rep.Receipt, nil))
		case rep.Field != nil:
			pending = append(pending, recorder.Settled(e, indelible.Receipt{}, rep.Field))
		case rep.Conflict != "":
			pending = append(pending, recorder.Settled(e, indelible.Receipt{}, fmt.Errorf("%w%s", recorder.ErrConflict, strings.TrimPrefix(rep.Conflict, recorder.ErrConflict.Error()))))
		default:
			return nil, nil, fmt.Errorf("the writing process refused: %s", rep.Error)
		}
	}
	return pending, away, nil
}

// Flush asks the holder to bring everything into the store and publish it.
func (c *Client) Flush(ctx context.Context) (away error, err error) {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	if err := writeLine(c.w, request{Version: protocolVersion, Op: opFlush}); err != nil {
		return nil, c.gone(ctx, err)
	}
	if err := c.w.Flush(); err != nil {
		return nil, c.gone(ctx, err)
	}
	rep, err := c.reply(ctx)
	switch {
	case err != nil:
		return nil, err
	case rep.Error != "":
		return nil, fmt.Errorf("the writing process failed: %s", rep.Error)
	case rep.Away != "":
		return errors.New(rep.Away), nil
	}
	return nil, nil
}

// Order asks the holder to do something, and returns what came of it. Whoever
// gets ErrGone does not know whether it was done.
func (c *Client) Order(ctx context.Context, order []byte) (result []byte, err error) {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	if err := writeLine(c.w, request{Version: protocolVersion, Op: opOrder, Order: order}); err != nil {
		return nil, c.gone(ctx, err)
	}
	if err := c.w.Flush(); err != nil {
		return nil, c.gone(ctx, err)
	}
	rep, err := c.reply(ctx)
	if err == nil && rep.Error != "" {
		err = errors.New(rep.Error)
	}
	return rep.Result, err
}

func (c *Client) reply(ctx context.Context) (rep reply, err error) {
	line, err := readLine(c.r, nil)
	if err != nil {
		return rep, c.gone(ctx, err)
	}
	return rep, json.Unmarshal(line, &rep)
}

func (c *Client) gone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}
