package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// States of a run. The last three are final.
const (
	StateWaiting   = "waiting"  // for its turn
	StateRunning   = "running"  // a worker has its lease
	StateRetrying  = "retrying" // an attempt failed; the next comes at Due
	StateSucceeded = "succeeded"
	StateFailed    = "failed"
	StateCancelled = "cancelled"
)

// Run is one time that something is done. Its identity is its schedule and the
// moment it was planned for.
type Run struct {
	ID       string          `json:"id"` // SCHEDULE@MOMENT
	Schedule string          `json:"schedule"`
	Planned  time.Time       `json:"planned"`
	Kind     string          `json:"kind"`
	Tenant   string          `json:"tenant,omitempty"`
	With     json.RawMessage `json:"with"`
	Cause    string          `json:"cause"` // schedule or manual
	State    string          `json:"state"`
	Attempt  int             `json:"attempt"`
	Worker   string          `json:"worker,omitempty"`
	Due      time.Time       `json:"due"`      // of the next attempt, or of the last
	Started  *time.Time      `json:"started"`  // of the last attempt
	Finished *time.Time      `json:"finished"` // null: not yet
	Done     int64           `json:"done"`
	Total    int64           `json:"total"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`

	fence  int64
	cancel bool
	river  int64
}

// ErrNotFound: there is no such run or schedule.
var ErrNotFound = errors.New("not found")

// ErrState: a run or schedule is not in a state to do that with.
var ErrState = errors.New("not possible now")

func runID(schedule string, planned time.Time) string {
	return schedule + "@" + planned.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

const runColumns = `id, schedule, planned, kind, tenant, args, cause, state, attempt, worker, due, started, finished, done, total, result, error, fence, cancel, river`

type scanner interface{ Scan(...any) error }

func scanRun(s scanner) (*Run, error) {
	var r Run
	var planned, due, started, finished, cancel int64
	var with, result string
	err := s.Scan(&r.ID, &r.Schedule, &planned, &r.Kind, &r.Tenant, &with, &r.Cause, &r.State, &r.Attempt, &r.Worker, &due, &started, &finished,
		&r.Done, &r.Total, &result, &r.Error, &r.fence, &cancel, &r.river)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	r.Planned, r.Due, r.Started, r.Finished, r.cancel = moment(planned), moment(due), optional(started), optional(finished), cancel != 0
	r.With = json.RawMessage(with)
	if result != "" {
		r.Result = json.RawMessage(result)
	}
	return &r, nil
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func optional(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := moment(ms)
	return &t
}

// finished says whether nothing more comes of a run.
func (r *Run) finished() bool { return r.Finished != nil }

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func getRun(ctx context.Context, db queryer, id string) (*Run, error) {
	r, err := scanRun(db.QueryRowContext(ctx, `SELECT `+runColumns+` FROM indelible_run WHERE id = $1`, id))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("run %.100q %w", id, ErrNotFound)
	}
	return r, err
}

// Filter chooses runs.
type Filter struct {
	Schedule string
	State    string
	Kind     string
	Limit    int // at most; 0: 100
}

// Runs lists runs, the newest first.
func (q *Queue) Runs(ctx context.Context, f Filter) ([]*Run, error) {
	var where []string
	var args []any
	for _, c := range []struct{ column, value string }{{"schedule", f.Schedule}, {"state", f.State}, {"kind", f.Kind}} {
		if c.value != "" {
			args = append(args, c.value)
			where = append(where, fmt.Sprintf("%s = $%d", c.column, len(args)))
		}
	}
	query := `SELECT ` + runColumns + ` FROM indelible_run`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return listRuns(ctx, q.db, fmt.Sprintf("%s ORDER BY planned DESC, id LIMIT %d", query, f.Limit), args...)
}

func listRuns(ctx context.Context, db queryer, query string, args ...any) ([]*Run, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []*Run{}
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// Run returns one run.
func (q *Queue) Run(ctx context.Context, id string) (*Run, error) { return getRun(ctx, q.db, id) }

// Latest returns the last finished run of each schedule.
func (q *Queue) Latest(ctx context.Context) ([]*Run, error) {
	return listRuns(ctx, q.db, `SELECT `+runColumns+` FROM indelible_run r WHERE finished > 0
		AND planned = (SELECT max(planned) FROM indelible_run l WHERE l.schedule = r.schedule AND l.finished > 0) ORDER BY schedule`)
}
