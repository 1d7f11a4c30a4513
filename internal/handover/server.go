package handover

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// Server takes events from other processes for as long as it runs.
type Server struct {
	listener net.Listener
	recorder *recorder.Recorder
	ledger   *ledger.Ledger
	orders   Orders
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // true while a request is being answered
	ended bool
}

// storeWait is how long a hand-over waits for a store that does not answer.
const storeWait = 10 * time.Second

// Orders carries out what another process asks for, and answers with JSON.
type Orders func(ctx context.Context, order []byte) (result []byte, err error)

// Serve listens in a data directory whose writer's lock the caller holds.
func Serve(dir string, l *ledger.Ledger, r *recorder.Recorder, orders Orders) (*Server, error) {
	listener, err := listen(dir)
	if err != nil {
		return nil, fmt.Errorf("listen for other processes: %w", err)
	}
	s := &Server{listener: listener, recorder: r, ledger: l, orders: orders, conns: make(map[net.Conn]bool)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.accept)
	return s, nil
}

func listen(dir string) (net.Listener, error) {
	var listener net.Listener
	err := withSocket(dir, func(path string) (err error) {
		// Nobody else can be listening: we hold the lock.
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if listener, err = net.Listen("unix", path); err != nil {
			return err
		}
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		return os.Chmod(path, 0o600)
	})
	return listener, err
}

// Close takes no more requests, answers those under way and ends.
func (s *Server) Close(dir string) error {
	err := s.listener.Close()
	s.mu.Lock()
	s.ended = true
	for c, busy := range s.conns {
		if !busy {
			c.Close()
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.cancel()
	return errors.Join(err, os.Remove(socketPath(dir)))
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.ended {
			c.Close()
		} else {
			s.conns[c] = false
			s.wg.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

// busy marks a connection as being answered or not; false means that the
// server ends and the connection with it.
func (s *Server) busy(c net.Conn, busy bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = busy
	return !s.ended
}

func (s *Server) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 64<<10)
	var buf []byte
	for {
		line, err := readLine(r, buf)
		if err != nil || !s.busy(c, true) {
			return
		}
		buf = line
		var req request
		if err := json.Unmarshal(line, &req); err != nil || req.Version != protocolVersion {
			writeLine(w, reply{Error: "request of another version of this program"})
			w.Flush()
			return
		}
		switch req.Op {
		case opAppend:
			err = s.append(r, w, &req)
		case opFlush:
			err = writeLine(w, s.flush())
		case opOrder:
			err = writeLine(w, s.order(req.Order))
		default:
			err = fmt.Errorf("unknown operation %q", req.Op)
		}
		if err != nil {
			writeLine(w, reply{Error: err.Error()})
			w.Flush()
			return
		}
		if w.Flush() != nil || !s.busy(c, false) {
			return
		}
	}
}

// append records one batch and answers for each event.
func (s *Server) append(r *bufio.Reader, w *bufio.Writer, req *request) error {
	if req.Count < 0 || req.Count > maxBatch {
		return fmt.Errorf("batch of %d events, limit %d", req.Count, maxBatch)
	}
	events := make([]*indelible.Event, 0, req.Count)
	refused := make(map[int]error)
	for i := range req.Count {
		line, err := readLine(r, nil)
		if err != nil {
			return err
		}
		parse := indelible.ParseEvent
		if req.System {
			parse = indelible.ParseStoredEvent
		}
		e, err := parse(line)
		if err != nil {
			refused[i] = err
			continue
		}
		events = append(events, e)
	}
	pending, err := s.recorder.Record(s.ctx, events, recorder.Options{AwaitStore: req.AwaitStore, Import: req.Import, System: req.System})
	if err != nil {
		return err
	}
	for i := range req.Count {
		rep := reply{}
		if err := refused[i]; err != nil {
			rep.refuse(err)
		} else {
			p := pending[0]
			pending = pending[1:]
			if p.Err != nil {
				rep.refuse(p.Err)
			} else if rep.Receipt, rep.Away, err = s.wait(p); err != nil {
				return err
			}
		}
		if err := writeLine(w, rep); err != nil {
			return err
		}
	}
	return nil
}

func (r *reply) refuse(err error) {
	var field *indelible.FieldError
	switch {
	case errors.As(err, &field):
		r.Field = field
	case errors.Is(err, recorder.ErrConflict):
		r.Conflict = err.Error()
	default:
		r.Error = err.Error()
	}
}

// wait waits for an event's place as long as the store answers.
func (s *Server) wait(p *recorder.Pending) (*indelible.Receipt, string, error) {
	receipt, away, err := p.WaitWhileStoreAnswers(s.ctx, storeWait)
	if err != nil {
		return nil, "", err
	}
	text := ""
	if away != nil {
		text = away.Error()
	}
	return &receipt, text, nil
}

func (s *Server) order(order []byte) reply {
	result, err := s.orders(s.ctx, order)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Result: result}
}

func (s *Server) flush() reply {
	away, err := s.ledger.FlushWhileStoreAnswers(s.ctx, storeWait)
	switch {
	case err != nil:
		return reply{Error: err.Error()}
	case away != nil:
		return reply{Away: away.Error()}
	}
	return reply{}
}
