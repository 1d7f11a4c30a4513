package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"filippo.io/torchwood"

	"indelible/internal/store"
)

// publisher writes what the committer completed, tiles first and the
// checkpoint last, while commits go on. One publish runs at a time.
type publisher struct {
	mu      sync.Mutex
	pending []object // completed, not yet published
	bytes   int
	running bool
	last    time.Time // when the last publish began
	wg      sync.WaitGroup
	ctx     context.Context

	etag     string              // of the checkpoint we replaced last
	partial  map[int]object      // the unfinished tile of each level as published; -1 is the bundle
	partials map[string]struct{} // prefixes of partial tiles that may stand in the store
	kept     time.Time           // when a checkpoint was last kept
	keptSize uint64

	signed     []byte // the latest checkpoint published
	signedSize uint64
}

func (p *publisher) start(ctx context.Context) {
	p.ctx, p.partial, p.partials = ctx, make(map[int]object), make(map[string]struct{})
}

func (p *publisher) wait() { p.wg.Wait() }

// load notes what a checkpoint of the log's own says is published.
func (p *publisher) load(s *state, c *Checkpoint) {
	p.last = time.UnixMilli(s.time)
	p.partial = s.unfinished()
	for _, o := range p.partial {
		prefix, _, _ := strings.Cut(o.name, ".p/")
		p.partials[prefix+".p/"] = struct{}{}
	}
}

// daily is how long until a publish without anything new: that the log is
// alive and complete is worth a fresh signature once a day.
func (p *publisher) daily(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last.Add(24 * time.Hour).Sub(now)
}

func (p *publisher) add(objects []object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range objects {
		p.pending = append(p.pending, object{name: o.name, data: o.content()}) // so that it holds no segment
		p.bytes += o.size()
	}
}

// idle reports whether a publish can begin.
func (p *publisher) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.running
}

// due is how long until the next publish may begin.
func (p *publisher) due(l *Ledger, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.running:
		return time.Hour // its end wakes the committer
	case p.bytes > maxUnpublished:
		return 0
	}
	return p.last.Add(l.cfg.PublishEvery).Sub(now)
}

// publish starts publishing the state as it stands right after a heads leaf.
func (p *publisher) publish(l *Ledger) {
	s := l.state
	objects := s.unfinished()
	p.mu.Lock()
	full := p.pending
	p.pending, p.bytes, p.running = nil, 0, true
	p.last = l.cfg.Clock()
	p.mu.Unlock()
	m := Mark{s.edge.size, s.edge.root()}
	keys, err := s.signers(l.logKeys())
	if err != nil {
		// Which is found out before the first commit.
		l.fail(err)
		return
	}
	p.wg.Go(func() {
		begun := time.Now()
		err := l.retry(p.ctx, func() error { return p.write(p.ctx, l, full, objects, m, keys) })
		l.cfg.Log.Debug("publish", "size", m.Size, "objects", len(full)+len(objects), "took", time.Since(begun), "err", err)
		p.mu.Lock()
		p.running = false
		p.mu.Unlock()
		switch {
		case err == nil:
			l.setStatus(func(s *Status) { s.Published = m.Size })
		case !errors.Is(err, context.Canceled):
			l.fail(fmt.Errorf("publish the tree of size %d: %w", m.Size, err))
		}
		l.nudge()
	})
}

// unfinished returns the partial tiles and the partial bundle of the tree.
func (s *state) unfinished() map[int]object {
	objects := make(map[int]object)
	width := uint64(1)
	for level, tile := range s.edge.levels {
		width *= torchwood.TileWidth
		if len(tile) > 0 {
			objects[level] = object{name: tileName(level, int64(s.edge.size/width), len(tile)), data: tileBytes(tile)}
		}
	}
	if len(s.bundle) > 0 {
		w := len(s.bundle) / leafEntry
		objects[-1] = object{name: bundleName(int64(s.edge.size/torchwood.TileWidth), w), data: bytes.Clone(s.bundle)}
	}
	return objects
}

// write makes one publish durable. It may be called again after a failure:
// what is there already is compared.
func (p *publisher) write(ctx context.Context, l *Ledger, full []object, partial map[int]object, m Mark, keys []ed25519.PrivateKey) error {
	keep := l.permanently()
	if err := createAll(ctx, l.cfg.Store, full, keep); err != nil {
		return err
	}
	var changed []object
	for level, o := range partial {
		if p.partial[level].name != o.name {
			changed = append(changed, o)
		}
	}
	if err := createAll(ctx, l.cfg.Store, changed, time.Time{}); err != nil {
		return err
	}
	if err := WriteMark(l.cfg.FS, l.cfg.Dir, m); err != nil {
		return err
	}
	signed, err := signCheckpoint(l.cfg.Origin, m.Size, m.Root, keys)
	if err != nil {
		return err
	}
	if err := p.replaceCheckpoint(ctx, l, signed, m.Size); err != nil {
		return err
	}
	l.setSigned(signed)
	for _, o := range changed {
		prefix, _, _ := strings.Cut(o.name, ".p/")
		p.partials[prefix+".p/"] = struct{}{}
	}
	p.removeSuperseded(ctx, l, full)
	p.partial = partial
	return p.keepCheckpoint(ctx, l, signed, m.Size, keep)
}

// replaceCheckpoint puts the new checkpoint in the place of the one it extends.
func (p *publisher) replaceCheckpoint(ctx context.Context, l *Ledger, signed []byte, size uint64) error {
	err := l.cfg.Store.Replace(ctx, checkpointName, signed, p.etag)
	if err != nil && !errors.Is(err, store.ErrChanged) {
		return fmt.Errorf("replace the checkpoint: %w", err)
	}
	// Read it back: for its ETag, and because after ErrChanged it may be ours
	// (a lost reply), an older one put back, or somebody else's.
	o, rerr := l.cfg.Store.Read(ctx, checkpointName, store.ReadOptions{})
	if errors.Is(rerr, store.ErrNotExist) && err != nil {
		p.etag = ""
		return fmt.Errorf("%w: the checkpoint went away", store.ErrUnavailable)
	}
	if rerr != nil {
		return fmt.Errorf("read back the checkpoint: %w", rerr)
	}
	p.etag = o.ETag
	if bytes.Equal(o.Data, signed) {
		return nil
	}
	if c, oerr := openWithAny(o.Data, l.cfg.Origin, l.logKeys()); oerr == nil && c.Size >= size {
		return fmt.Errorf("%w: the checkpoint is of a tree of size %d, ours of %d", ErrOtherWriter, c.Size, size)
	}
	// Older, or not a checkpoint of ours: put ours in its place, next time round.
	l.cfg.Log.Warn("the checkpoint was changed by somebody else; replacing it")
	return fmt.Errorf("%w: the checkpoint was changed by somebody else", store.ErrUnavailable)
}

// keepCheckpoint makes the locked copy, at most hourly and at shutdown.
func (p *publisher) keepCheckpoint(ctx context.Context, l *Ledger, signed []byte, size uint64, until time.Time) error {
	now := l.cfg.Clock()
	p.signed, p.signedSize = signed, size
	if now.Sub(p.kept) < time.Hour {
		return nil
	}
	err := createAll(ctx, l.cfg.Store, []object{{name: keptCheckpoint(size), data: signed}}, until)
	if err == nil {
		p.kept, p.keptSize = now, size
	}
	return err
}

// keepLast makes the locked copy of the last checkpoint, at shutdown. It is one
// more witness of what was signed, so a store that does not answer is no error.
func (p *publisher) keepLast(l *Ledger) {
	if p.signedSize == p.keptSize || l.told().StoreErr != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p.kept = time.Time{}
	if err := p.keepCheckpoint(ctx, l, p.signed, p.signedSize, l.permanently()); err != nil {
		l.cfg.Log.Warn("the last checkpoint was not kept", "err", err)
	}
}

// permanently is until when what holds no personal data is locked.
func (l *Ledger) permanently() time.Time {
	if l.cfg.Retention == 0 {
		return time.Time{}
	}
	return l.lockUntil(PermanentRetention)
}
