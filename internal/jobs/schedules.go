package jobs

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"indelible/internal/jobs/schedule"
)

// Where a schedule stands.
const (
	SourceFile = "file" // indelible.yaml
	SourceAPI  = "api"
)

// State is a schedule and how it stands with it.
type State struct {
	Schedule
	Source string     `json:"source"`
	Paused bool       `json:"paused"`
	Next   *time.Time `json:"next"` // null while it is paused
	Last   *Run       `json:"last"` // the run planned last; null: none yet

	planned time.Time
}

// Schedules lists all schedules by name.
func (q *Queue) Schedules(ctx context.Context) ([]*State, error) {
	list, err := readSchedules(ctx, q.db)
	if err != nil {
		return nil, err
	}
	runs, err := listRuns(ctx, q.db, `SELECT `+runColumns+` FROM indelible_run r WHERE planned = (SELECT max(planned) FROM indelible_run l WHERE l.schedule = r.schedule)`)
	if err != nil {
		return nil, err
	}
	last := make(map[string]*Run, len(runs))
	for _, r := range runs {
		last[r.Schedule] = r
	}
	for _, s := range list {
		s.Last = last[s.Name]
		if err := s.setNext(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *State) setNext() error {
	times, err := schedule.Parse(s.When, s.Zone)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	if next := times.Next(s.planned); !s.Paused && !next.IsZero() {
		s.Next = &next
	}
	return nil
}

// Preview is how schedules stand that no queue has seen yet.
func Preview(list []Schedule, now time.Time) ([]*State, error) {
	states := make([]*State, 0, len(list))
	for _, s := range list {
		state := &State{Schedule: s, Source: SourceFile, planned: now}
		if err := state.setNext(); err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

func readSchedules(ctx context.Context, db queryer) ([]*State, error) {
	rows, err := db.QueryContext(ctx, `SELECT definition, source, paused, planned FROM indelible_schedule ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []*State{}
	for rows.Next() {
		s, err := scanSchedule(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

func scanSchedule(row scanner) (*State, error) {
	s := &State{}
	var definition string
	var paused, planned int64
	if err := row.Scan(&definition, &s.Source, &paused, &planned); err != nil {
		return nil, err
	}
	s.Paused, s.planned = paused != 0, moment(planned)
	return s, json.Unmarshal([]byte(definition), &s.Schedule)
}

func getSchedule(ctx context.Context, db queryer, name string) (*State, error) {
	s, err := scanSchedule(db.QueryRowContext(ctx, `SELECT definition, source, paused, planned FROM indelible_schedule WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("schedule %.70q %w", name, ErrNotFound)
	}
	return s, err
}

// Schedule returns one schedule.
func (q *Queue) Schedule(ctx context.Context, name string) (*State, error) {
	s, err := getSchedule(ctx, q.db, name)
	if err != nil {
		return nil, err
	}
	runs, err := q.Runs(ctx, Filter{Schedule: name, Limit: 1})
	if err == nil && len(runs) > 0 {
		s.Last = runs[0]
	}
	return s, errors.Join(err, s.setNext())
}

// Sync makes the schedules of the file what the list says. What is new or
// changed counts from now on; a run that goes on keeps what it began with.
func (q *Queue) Sync(ctx context.Context, list []Schedule) error {
	list = slices.Clone(list)
	for i := range list {
		if err := q.Kinds.Check(&list[i]); err != nil {
			return err
		}
	}
	return q.change(ctx, func(tx *sql.Tx) error {
		known, err := readSchedules(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range known {
			if s.Source == SourceFile && !slices.ContainsFunc(list, func(n Schedule) bool { return n.Name == s.Name }) {
				if err := q.remove(ctx, tx, s); err != nil {
					return err
				}
			}
		}
		for _, s := range list {
			if err := q.put(ctx, tx, s, SourceFile); err != nil {
				return err
			}
		}
		return nil
	})
}

// Put makes or changes a schedule that does not stand in the file.
func (q *Queue) Put(ctx context.Context, s Schedule) error {
	if err := q.Kinds.Check(&s); err != nil {
		return err
	}
	return q.change(ctx, func(tx *sql.Tx) error { return q.put(ctx, tx, s, SourceAPI) })
}

func (q *Queue) put(ctx context.Context, tx *sql.Tx, s Schedule, source string) error {
	definition, err := json.Marshal(s)
	if err != nil {
		return err
	}
	old, err := getSchedule(ctx, tx, s.Name)
	what := "schedule.changed"
	switch {
	case errors.Is(err, ErrNotFound):
		what = "schedule.created"
	case err != nil:
		return err
	case old.Source == SourceFile && source != SourceFile:
		return fmt.Errorf("%w: schedule %s stands in indelible.yaml: change it there", ErrState, s.Name)
	default:
		before, err := json.Marshal(old.Schedule)
		if err != nil || bytes.Equal(before, definition) && old.Source == source {
			return err
		}
	}
	now := q.now().UnixMilli()
	if _, err := tx.ExecContext(ctx, `INSERT INTO indelible_schedule (name, definition, source, paused, planned) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, source = excluded.source, planned = excluded.planned`, s.Name, string(definition), source, now); err != nil {
		return err
	}
	return q.changed(ctx, tx, what, s.Name, map[string]any{"when": s.When, "zone": s.Zone, "missed": s.Missed, "run": s.Run, "with": s.With, "source": source})
}

// Remove removes a schedule that does not stand in the file. Its runs stay.
func (q *Queue) Remove(ctx context.Context, name string) error {
	return q.change(ctx, func(tx *sql.Tx) error {
		s, err := getSchedule(ctx, tx, name)
		if err != nil {
			return err
		}
		if s.Source == SourceFile {
			return fmt.Errorf("%w: schedule %s stands in indelible.yaml: take it out there", ErrState, name)
		}
		return q.remove(ctx, tx, s)
	})
}

func (q *Queue) remove(ctx context.Context, tx *sql.Tx, s *State) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM indelible_schedule WHERE name = $1`, s.Name); err != nil {
		return err
	}
	return q.changed(ctx, tx, "schedule.removed", s.Name, map[string]any{"source": s.Source})
}

// Pause has a schedule plan nothing until it is resumed. What it would have
// planned meanwhile is left out.
func (q *Queue) Pause(ctx context.Context, name string, paused bool) error {
	return q.change(ctx, func(tx *sql.Tx) error {
		s, err := getSchedule(ctx, tx, name)
		if err != nil || s.Paused == paused {
			return err
		}
		n, what := 0, "schedule.resumed"
		if paused {
			n, what = 1, "schedule.paused"
		}
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_schedule SET paused = $2, planned = $3 WHERE name = $1`, name, n, q.now().UnixMilli()); err != nil {
			return err
		}
		return q.changed(ctx, tx, what, name, map[string]any{})
	})
}

// changed tells that a schedule is not what it was.
func (q *Queue) changed(ctx context.Context, tx *sql.Tx, what, name string, details map[string]any) error {
	if err := replan(ctx, tx); err != nil {
		return err
	}
	// One may change to and fro: the turn of the gate tells changes apart.
	var turn int64
	if err := tx.QueryRowContext(ctx, `SELECT turn FROM indelible_gate`).Scan(&turn); err != nil {
		return err
	}
	return q.say(ctx, tx, what, "schedule", name, "success", details, fmt.Sprint(turn))
}
