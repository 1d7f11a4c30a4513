package api

import (
	"errors"
	"net/http"

	"indelible/internal/access"
	"indelible/internal/jobs"
)

// overHTTP are the kinds of work that can be scheduled over HTTP. What reads
// or writes files, or another database, is scheduled in indelible.yaml alone: a
// key of role operator reads nothing.
var overHTTP = map[string]bool{"verify": true, "retention": true, "check-index": true, "key-age": true}

// scheduleList is the answer to which schedules there are.
type scheduleList struct {
	Schedules []*jobs.State `json:"schedules"`
}

// scheduleRoutes are those of work that runs by itself.
func (s *Server) scheduleRoutes() []route {
	return []route{
		{"GET /v1/schedules", s.authenticated(s.getSchedules)},
		{"PUT /v1/schedules/{name}", s.authenticated(s.putSchedule)},
		{"DELETE /v1/schedules/{name}", s.authenticated(s.deleteSchedule)},
		{"POST /v1/schedules/{name}/runs", s.authenticated(s.postScheduleRun)},
	}
}

// schedules lets in who may operate on the log as a whole.
func (s *Server) schedules(a *asking, what string) (*jobs.Queue, error) {
	scope, err := s.permit(a, access.Operate, what)
	if err != nil {
		return nil, err
	}
	if s.cfg.Schedules == nil {
		return nil, problem(http.StatusNotFound, "not_found", "nothing is scheduled on this server")
	}
	if _, err := parameters(a.Request); err != nil {
		return nil, err
	}
	if err := s.about(a, scope, ""); err != nil {
		return nil, err
	}
	return s.cfg.Schedules.As(a.who.Name), nil
}

// scheduleProblem is what an error of schedules is over HTTP.
func scheduleProblem(err error) error {
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return problem(http.StatusNotFound, "not_found", "there is no schedule of this name")
	case errors.Is(err, jobs.ErrState):
		return problem(http.StatusConflict, "conflict", err.Error())
	}
	return err
}

// getSchedules answers GET /v1/schedules.
func (s *Server) getSchedules(a *asking) error {
	q, err := s.schedules(a, "list_schedules")
	if err != nil {
		return err
	}
	return decided(s, a, http.StatusOK, func() (*scheduleList, int, error) {
		list, err := q.Schedules(a.Context())
		return &scheduleList{list}, len(list), err
	})
}

// putSchedule answers PUT /v1/schedules/{name}.
func (s *Server) putSchedule(a *asking) error {
	q, err := s.schedules(a, "put_schedule")
	if err != nil {
		return err
	}
	var in jobs.Schedule
	if err := readJSON(a, &in); err != nil {
		return err
	}
	if name := a.PathValue("name"); in.Name == "" {
		in.Name = name
	} else if in.Name != name {
		return problem(http.StatusBadRequest, "bad_request", "name is not the one in the path")
	}
	if !overHTTP[in.Run] {
		return problem(http.StatusBadRequest, "bad_request", "run: over HTTP it is verify, retention, check-index or key-age; other work is scheduled in indelible.yaml")
	}
	if err := q.Kinds.Check(&in); err != nil {
		return problem(http.StatusBadRequest, "bad_request", err.Error())
	}
	return decided(s, a, http.StatusOK, func() (*jobs.State, int, error) {
		if err := q.Put(a.Context(), in); err != nil {
			return nil, 0, scheduleProblem(err)
		}
		state, err := q.Schedule(a.Context(), in.Name)
		return state, 1, scheduleProblem(err)
	})
}

// deleteSchedule answers DELETE /v1/schedules/{name}.
func (s *Server) deleteSchedule(a *asking) error {
	q, err := s.schedules(a, "delete_schedule")
	if err != nil {
		return err
	}
	return decided(s, a, http.StatusOK, func() (*jobs.State, int, error) {
		state, err := q.Schedule(a.Context(), a.PathValue("name"))
		if err == nil {
			err = q.Remove(a.Context(), state.Name)
		}
		return state, 1, scheduleProblem(err)
	})
}

// postScheduleRun answers POST /v1/schedules/{name}/runs: it is done now.
func (s *Server) postScheduleRun(a *asking) error {
	q, err := s.schedules(a, "run_schedule")
	if err != nil {
		return err
	}
	return decided(s, a, http.StatusAccepted, func() (*jobs.Run, int, error) {
		run, err := q.RunNow(a.Context(), a.PathValue("name"))
		return run, 1, scheduleProblem(err)
	})
}
