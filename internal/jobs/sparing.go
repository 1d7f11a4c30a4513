package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sparing lets warnings and errors of River through, each once in a minute: a
// database that is away is told with every poll otherwise.
type sparing struct {
	slog.Handler
	mu   sync.Mutex
	told map[string]time.Time
}

// Enabled implements slog.Handler.
func (s *sparing) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && s.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (s *sparing) Handle(ctx context.Context, r slog.Record) error {
	s.mu.Lock()
	again := r.Time.Sub(s.told[r.Message]) < time.Minute
	if !again {
		if s.told == nil || len(s.told) > 100 {
			s.told = make(map[string]time.Time)
		}
		s.told[r.Message] = r.Time
	}
	s.mu.Unlock()
	if again {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}
