package ledger

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"indelible"
	"indelible/internal/disk"
)

// FencedBy says who went on in the place of a data directory, as far as that
// directory knows; empty if nobody did.
func FencedBy(fsys disk.FS, dir string) (string, error) {
	text, err := disk.ReadFile(fsys, filepath.Join(dir, "journal", fencedFile), 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// Survey is how a log stands, as a writer finds it.
type Survey struct {
	Size      uint64 // of the tree, published or not
	Published uint64
	Epoch     uint64 // the highest
	Time      int64  // of the last commit, ms
	LogKey    indelible.PublicKey
	Writer    indelible.Writer // of the last segment
}

// TakeSurvey reads a log to its end as a writer does at its start, and checks
// that it continues the tree of the mark. It writes nothing, and needs of the
// configuration Store, Origin, LogID and LogKeys. Errors are a writer's:
// TamperError, ErrRotated, those of the store.
func TakeSurvey(ctx context.Context, cfg Config, mark Mark) (Survey, error) {
	l := &Ledger{cfg: cfg.withDefaults(), held: cfg.LogKeys}
	s, c, err := l.loadState(ctx)
	if err != nil {
		return Survey{}, err
	}
	if err := l.replayFrom(ctx, s, c, mark, func(*Segment, []object) {}); err != nil {
		return Survey{}, err
	}
	if _, err := s.signers(cfg.LogKeys); err != nil {
		return Survey{}, err
	}
	v := Survey{Size: s.edge.size, Epoch: s.epoch, Time: s.time, LogKey: s.logKey, Writer: s.writers[s.writer]}
	if c != nil {
		v.Published = c.Size
	}
	return v, nil
}
