package api

import (
	"net/http"
	"sync"
	"time"
)

// seats bounds what is open at the same time, of one key and in all.
type seats struct {
	all, each int
	what      string

	mu    sync.Mutex
	taken int
	of    map[string]int
}

// take takes a seat for a key; release gives it back.
func (s *seats) take(key string) (release func(), _ *Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[key] >= s.each:
		return nil, problem(http.StatusTooManyRequests, "rate", "this key has several "+s.what+" already").after(time.Second)
	case s.taken >= s.all:
		return nil, problem(http.StatusServiceUnavailable, "busy", "there are too many "+s.what).after(time.Second)
	}
	if s.of == nil {
		s.of = make(map[string]int)
	}
	s.taken++
	s.of[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.of[key]--; s.of[key] == 0 {
			delete(s.of, key)
		}
	}, nil
}
