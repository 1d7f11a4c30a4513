package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/jobs"
	"indelible/internal/ledger"
)

// verifiesItself says whether a schedule verifies the log.
func verifiesItself(c *datadir.Config) bool {
	for _, s := range c.Schedules {
		if s.Run == "verify" {
			return true
		}
	}
	return false
}

// scheduled is the scheduled work of a server, as those who watch it see it.
type scheduled struct {
	queue *jobs.Queue
	log   *slog.Logger

	mu     sync.Mutex
	looked time.Time
	health *jobs.Health
}

// watchAgain is how long what was seen is told again: anybody may ask.
const watchAgain = 5 * time.Second

// now is how it stands; nil: not known.
func (s *scheduled) now() *jobs.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < watchAgain {
		return s.health
	}
	ctx, cancel := context.WithTimeout(context.Background(), watchAgain)
	defer cancel()
	h, err := s.queue.Health(ctx)
	if err != nil {
		s.log.Error("how it stands with scheduled work", "err", err)
		h = nil
	}
	s.health, s.looked = h, time.Now()
	return h
}

// ready is what /readyz tells.
func (s *scheduled) ready() any {
	if h := s.now(); h != nil {
		return h
	}
	return "the database of schedules does not answer"
}

func (s *scheduled) gauges() []api.Gauge {
	h := s.now()
	up := 0.0
	if h != nil {
		up = 1
	}
	gauges := []api.Gauge{{Name: "indelible_jobs_up", Help: "1 while the database of schedules and runs answers.", Value: up}}
	if h == nil {
		return gauges
	}
	retention := 0.0
	if h.Kinds["retention"].State == jobs.StateFailed {
		retention = 1
	}
	return append(gauges,
		api.Gauge{Name: "indelible_schedules", Help: "Schedules there are.", Value: float64(h.Schedules)},
		api.Gauge{Name: "indelible_schedules_failed", Help: "Schedules whose last run failed.", Value: float64(h.Failed)},
		api.Gauge{Name: "indelible_schedule_moments_missed", Help: "Moments of schedules that passed without a run.", Value: float64(h.Missed)},
		api.Gauge{Name: "indelible_runs_overdue", Help: "Runs that should have begun a quarter of an hour ago.", Value: float64(h.Overdue)},
		api.Gauge{Name: "indelible_jobs_events_pending", Help: "Events of schedules and runs the ledger does not have yet.", Value: float64(h.Unrecorded)},
		api.Gauge{Name: "indelible_retention_failed", Help: "1 if the last retention run could not do its work.", Value: retention},
	)
}

// learn takes the report of a scheduled verification over, wherever it ran, if
// it is later than the latest here.
func (s *scheduled) learn(v *verification) {
	ctx, cancel := context.WithTimeout(context.Background(), watchAgain)
	defer cancel()
	list, err := s.queue.Runs(ctx, jobs.Filter{Kind: "verify", Limit: 10})
	if err != nil {
		return // the metrics say that the database does not answer
	}
	for _, run := range list {
		var found verified
		if run.Finished == nil || json.Unmarshal(run.Result, &found) != nil || found.Report == nil {
			continue
		}
		var latest ledger.Report
		if known := v.latest(); known == nil || json.Unmarshal(known, &latest) == nil && found.Report.Started.After(latest.Started) {
			v.keepAt(found.Report, *run.Finished)
		}
		return
	}
}
