package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/search"
)

const (
	maxCounts  = 2 // at once: searches need the index, too
	countTime  = 20 * time.Second
	defaultTop = 10
	maxTop     = 100
)

// counted are the filters of counts: a search's, but for words.
var counted = append(slices.Clone(search.Fields), "since", "until")

// countsAnswer is the answer to counts over time.
type countsAnswer struct {
	By       string        `json:"by"`
	Counts   []countInTime `json:"counts"`
	Total    uint64        `json:"total"`
	TreeSize uint64        `json:"tree_size"`
}

type countInTime struct {
	Time  time.Time `json:"time"` // when the hour or day begins
	Count uint64    `json:"count"`
}

// topAnswer is the answer to the values that most events have.
type topAnswer struct {
	Field    string         `json:"field"`
	Values   []countOfValue `json:"values"`
	Total    uint64         `json:"total"` // of all events, with other values or none, too
	TreeSize uint64         `json:"tree_size"`
}

type countOfValue struct {
	Value    string `json:"value"`
	TenantID string `json:"tenant_id,omitempty"` // of users, resources and addresses
	Count    uint64 `json:"count"`
}

// getCounts answers GET /v1/events/counts.
func (s *Server) getCounts(a *asking) error {
	return s.count(a, "count_events", "by", func(in map[string]string) (g search.Grouping, err error) {
		switch in["by"] {
		case "hour":
			g.Step = time.Hour
		case "day":
			g.Step = 24 * time.Hour
		default:
			err = problem(http.StatusBadRequest, "bad_query", "by is hour or day")
		}
		return g, err
	}, func(_ context.Context, in map[string]string, shot *shot, _ access.TenantScope, c *search.Counted) (any, error) {
		answer := &countsAnswer{By: in["by"], Counts: []countInTime{}, Total: c.Total, TreeSize: shot.shown()}
		for _, g := range c.Groups {
			answer.Counts = append(answer.Counts, countInTime{g.Time, g.N})
		}
		return answer, nil
	})
}

// getTop answers GET /v1/events/top.
func (s *Server) getTop(a *asking) error {
	return s.count(a, "top_values", "field", func(in map[string]string) (search.Grouping, error) {
		g := search.Grouping{Field: in["field"], Top: defaultTop}
		if v, ok := in["limit"]; ok {
			var err error
			if g.Top, err = strconv.Atoi(v); err != nil || g.Top < 1 || g.Top > maxTop {
				return g, problem(http.StatusBadRequest, "bad_query", "limit is a number from 1 to 100")
			}
		}
		return g, nil
	}, func(ctx context.Context, in map[string]string, shot *shot, scope access.TenantScope, c *search.Counted) (any, error) {
		values, err := valuesOf(ctx, shot, scope, in["field"], c.Groups)
		return &topAnswer{Field: in["field"], Values: values, Total: c.Total, TreeSize: shot.shown()}, err
	}, "limit")
}

// valuesOf are the values of groups. What the index does not know is read from
// the log; what was erased meanwhile is left out.
func valuesOf(ctx context.Context, shot *shot, scope access.TenantScope, field string, groups []search.Group) ([]countOfValue, error) {
	values := []countOfValue{}
	if search.Repeats(field) {
		for _, g := range groups {
			values = append(values, countOfValue{Value: g.Value, Count: g.N})
		}
		return values, nil
	}
	var places []uint64
	counts := make(map[uint64]uint64)
	for _, g := range groups {
		places = append(places, g.Place)
		counts[g.Place] = g.N
	}
	for f, err := range shot.log.Several(ctx, scope, places) {
		if err != nil {
			return nil, err
		}
		if f.Event != nil {
			values = append(values, countOfValue{search.Value(f.Event, field), f.Event.TenantID, counts[f.Index]})
		}
	}
	return values, nil
}

// count is what both kinds of counts do: of the tenants in scope, from the index,
// recorded before it begins.
func (s *Server) count(a *asking, what, by string, grouping func(map[string]string) (search.Grouping, error),
	answer func(context.Context, map[string]string, *shot, access.TenantScope, *search.Counted) (any, error), more ...string) error {
	scope, err := s.permit(a, access.ReadEvents, what)
	if err != nil {
		return err
	}
	in, err := parameters(a.Request, slices.Concat(counted, []string{by}, more)...)
	if err != nil {
		return err
	}
	filters := make(map[string]string)
	for _, name := range counted {
		if v, ok := in[name]; ok {
			filters[name] = v
		}
	}
	q, err := parseSearch(filters, scope)
	if err != nil {
		return err
	}
	g, err := grouping(in)
	if err == nil {
		err = q.CheckCount(g)
	}
	if err != nil {
		return err
	}
	shot := s.view.now()
	q.End = shot.shown()
	release, p := s.counts.take(a.who.KeyID)
	if p != nil {
		return p
	}
	defer release()
	a.aboutTenants(scope, in["tenant_id"], in)
	if err := s.begin(a); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.Context(), countTime)
	defer cancel()
	var out any
	if q.Tenants, err = allowed(ctx, shot, scope, in["tenant_id"]); err == nil {
		var c *search.Counted
		if c, err = shot.log.Count(ctx, scope, &q, g); err == nil {
			out, err = answer(ctx, in, shot, scope, c)
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = problem(http.StatusServiceUnavailable, "timeout", "ask for a shorter time, or for fewer tenants")
	}
	if err = s.end(a, nil, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, out)
	return nil
}

// allowed are the tenants of a scope for counting, nil for all: nothing is looked
// at one by one afterwards. Policies may take single tenants from somebody who
// has all, and the log's own are nobody's.
func allowed(ctx context.Context, shot *shot, scope access.TenantScope, named string) ([]string, error) {
	tenants, all := scope.Tenants()
	switch {
	case named != "" && scope.Allows(named):
		return []string{named}, nil
	case named != "":
		return []string{}, nil
	case !all:
		return tenants, nil
	}
	names, err := shot.names(ctx)
	if err != nil {
		return nil, err
	}
	some := []string{}
	for _, name := range names {
		if scope.Allows(name) {
			some = append(some, name)
		} else {
			all = all && strings.HasPrefix(name, indelible.ReservedTenantPrefix)
		}
	}
	if all {
		return nil, nil
	}
	return some, nil
}
