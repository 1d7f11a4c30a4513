package jobs

import (
	"context"
	"database/sql"
	"sync/atomic"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
)

// Asking the database all the time is most of what an idle process takes. So
// one question a second is asked, for the turn of the gate: without a new turn
// there is nothing new to do. With one, River is told to fetch and the outbox
// is looked into; River's own questions are for what is missed.

// waker tells the workers of this process that something changed.
type waker struct {
	fetch  chan struct{} // River is to fetch jobs
	unsaid atomic.Bool   // the outbox may hold something
}

func newWaker() *waker {
	w := &waker{fetch: make(chan struct{}, 1)}
	w.unsaid.Store(true) // from before
	return w
}

func (w *waker) changed() {
	w.unsaid.Store(true)
	select {
	case w.fetch <- struct{}{}:
	default: // it has been told already
	}
}

// wakingDriver is a driver of River whose notifications come from a waker.
type wakingDriver struct {
	riverdriver.Driver[*sql.Tx]
	*waker
	queues []string
}

func (d *wakingDriver) SupportsListener() bool { return true }

func (d *wakingDriver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{waker: d.waker, queues: d.queues, schema: p.Schema}
}

// listener implements riverdriver.Listener: each change is news of each queue.
type listener struct {
	*waker
	queues, left []string
	schema       string
}

func (l *listener) Close(context.Context) error            { return nil }
func (l *listener) Connect(context.Context) error          { return nil }
func (l *listener) Listen(context.Context, string) error   { return nil }
func (l *listener) Unlisten(context.Context, string) error { return nil }
func (l *listener) Ping(context.Context) error             { return nil }
func (l *listener) Schema() string                         { return l.schema }
func (l *listener) SetAfterConnectExec(string)             {}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if len(l.left) == 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.fetch:
			l.left = l.queues
		}
	}
	queue := l.left[0]
	l.left = l.left[1:]
	return &riverdriver.Notification{Topic: "river_insert", Payload: `{"queue":"` + queue + `"}`}, nil
}

// queues are those whose runs are done here.
func (q *Queue) queues() []string {
	if q.Away {
		return []string{river.QueueDefault}
	}
	return []string{river.QueueDefault, localQueue}
}
