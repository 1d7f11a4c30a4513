package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"indelible/internal/disk"
)

// maxClockSkew and maxClockJump bound what is believed of the clock. Locks
// follow it: a clock at 2099 would lock objects until 2100.
const (
	maxClockSkew = 5 * time.Minute
	maxClockJump = time.Hour
)

// checkClock compares the wall clock with the monotonic one, the store's and
// the log's last commit.
func (l *Ledger) checkClock() error {
	now := l.cfg.Clock()
	if !l.clockSeen.IsZero() {
		// Sub uses the monotonic reading where both times have one.
		passed := now.Sub(l.clockSeen)
		if jump := now.Round(0).Sub(l.clockSeen.Round(0)) - passed; jump.Abs() > maxClockJump {
			return fmt.Errorf("%w: it jumped by %s", ErrClock, jump.Round(time.Second))
		}
	}
	l.clockSeen = now
	if skew, known := l.storeSkew(); known && (skew-l.confirmedSkew).Abs() > maxClockSkew {
		return fmt.Errorf("%w: the store's clock is %s from ours", ErrClock, skew.Round(time.Second))
	}
	if l.state != nil && !l.stepBack {
		if ahead := time.UnixMilli(l.state.time).Sub(now); ahead > maxClockJump {
			return fmt.Errorf("%w: the last commit is %s ahead of it", ErrClock, ahead.Round(time.Second))
		}
	}
	return nil
}

func (l *Ledger) storeSkew() (time.Duration, bool) {
	if c, ok := l.cfg.Store.(interface{ Skew() (time.Duration, bool) }); ok {
		return c.Skew()
	}
	return 0, false
}

// commitTime never goes back, but for the one segment that says so.
func (l *Ledger) commitTime() int64 {
	now := l.cfg.Clock().UnixMilli()
	if l.stepBack {
		return now
	}
	return max(now, l.state.time)
}

// settleClock decides what to make of the clock once the log was replayed. A
// clock that was confirmed counts, whatever the last commit and the store say:
// the first segment then carries a clock leaf, and what the store's clock is
// off is remembered for later processes.
func (l *Ledger) settleClock(s *state) error {
	now := l.cfg.Clock()
	ahead := time.UnixMilli(s.time).After(now)
	if ahead {
		l.pub.notBefore(now)
	}
	if !l.cfg.ConfirmClock {
		return l.loadSkew()
	}
	l.stepBack = ahead
	l.confirmedSkew = 0
	if skew, known := l.storeSkew(); known && skew.Abs() > maxClockSkew {
		l.confirmedSkew = skew
	}
	return l.saveSkew()
}

// notBefore makes the next publish due no later than its interval after now.
func (p *publisher) notBefore(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.After(now) {
		p.last = now
	}
}

// confirmed is the file that remembers how far off the store's clock may be.
type confirmed struct {
	SkewMilliseconds int64 `json:"skew_ms"`
}

func (l *Ledger) clockFile() string { return filepath.Join(l.cfg.Dir, "journal", "clock.json") }

func (l *Ledger) loadSkew() error {
	b, err := disk.ReadFile(l.cfg.FS, l.clockFile(), 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var c confirmed
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.clockFile(), err)
	}
	l.confirmedSkew = time.Duration(c.SkewMilliseconds) * time.Millisecond
	return nil
}

func (l *Ledger) saveSkew() error {
	if l.confirmedSkew == 0 {
		if err := l.cfg.FS.Remove(l.clockFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(confirmed{l.confirmedSkew.Milliseconds()})
	if err != nil {
		return err
	}
	return disk.WriteFile(l.cfg.FS, l.clockFile(), append(b, '\n'))
}
