package dataset

import (
	"context"
	"sync"
	"sync/atomic"

	"indelible/internal/runs"
)

// A Compressor packs blocks of bytes so that what it makes of one block can
// stand after what it made of another. One serves one goroutine.
type Compressor interface {
	// Append packs src and appends it to dst: the same for the same src.
	Append(dst, src []byte) []byte
}

// A Masker takes personal data out of a row before it is written. One serves
// one goroutine. It may replace the row's slices, not write into them.
type Masker interface {
	MaskRun(r *runs.Run) error
}

// reading is one scan under way: the shards of one tenant, or of all in one.
// Several goroutines read shards; blocks leave it in the order of the table.
type reading struct {
	snapshot runs.Snapshot
	tenant   string
	shards   int
	jobs     int
	lines    bool // JSONL; else the rows are kept, too
	counts   bool // rows of each tenant are counted
	encoder  func() (*rowEncoder, error)
	packer   func() Compressor                    // or nil
	filter   func() (func(*runs.Run) bool, error) // or nil
	masker   func() (Masker, error)               // or nil
	time     func(*runs.Run) runs.Time
	rows     *atomic.Int64
	active   *activity
	total    int64    // rows of all shards, about
	stats    *stats   // or nil
	repeats  *repeats // or nil
}

// readAhead is how many bytes of blocks all readers together may be ahead of
// the file. A shard of a million rows fits in a reader's part of it.
const readAhead = 20 << 20

// run reads everything and calls the stages with each block, in order. Each
// stage runs in a goroutine of its own, so that they work side by side.
func (rd *reading) run(ctx context.Context, stages ...func(*block) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := max(1, min(rd.jobs, rd.shards))
	size := rd.blockSize()
	if !rd.lines {
		size *= 3 // with the rows beside their content
	}
	ahead := max(3, readAhead/jobs/size)
	queues := make([]chan *block, rd.shards)
	for i := range queues {
		queues[i] = make(chan *block, ahead)
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	for range jobs {
		wg.Go(func() {
			if err := rd.reader(ctx, &next, queues, ahead); err != nil {
				cancel(err)
			}
		})
	}
	first := make(chan *block, 4)
	wg.Go(func() {
		defer close(first)
		for _, queue := range queues {
			for {
				b, ok := receive(ctx, queue)
				if !ok {
					break
				}
				if !send(ctx, first, b) {
					return
				}
			}
		}
	})
	in := first
	for _, stage := range stages {
		from, out := in, make(chan *block, 4)
		wg.Go(func() {
			defer close(out)
			for {
				b, ok := receive(ctx, from)
				if !ok {
					return
				}
				if err := stage(b); err != nil {
					cancel(err)
					return
				}
				if !send(ctx, out, b) {
					return
				}
			}
		})
		in = out
	}
	for {
		b, ok := receive(ctx, in)
		if !ok {
			break
		}
		b.reset()
		b.home <- b // has room for all of a reader's blocks
	}
	wg.Wait()
	return context.Cause(ctx)
}

func receive(ctx context.Context, from <-chan *block) (*block, bool) {
	select {
	case b, ok := <-from:
		return b, ok && ctx.Err() == nil
	case <-ctx.Done():
		return nil, false
	}
}

func send(ctx context.Context, to chan<- *block, b *block) bool {
	select {
	case to <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

func (rd *reading) blockSize() int {
	if rd.packer != nil {
		return packedSize
	}
	return blockSize
}

// reader reads shards, the next that nobody has begun, until there is none. It
// has blocks of its own, so that who reads ahead takes none from the one whose
// shard is being written.
func (rd *reading) reader(ctx context.Context, next *atomic.Int64, queues []chan *block, ahead int) error {
	home := make(chan *block, ahead)
	size := rd.blockSize()
	made, held := 0, 0
	charge := func(b *block) {
		held += b.memory() - b.charged
		b.charged = b.memory()
	}
	// Blocks of large rows take more than their size: then fewer are ahead.
	room := readAhead / max(1, min(rd.jobs, rd.shards))
	fresh := func() (*block, error) {
		for {
			var b *block
			select {
			case b = <-home:
			default:
				if made < 2 || made < ahead && held < room {
					made++
					return &block{home: home, lines: make([]byte, 0, size+size/8)}, nil
				}
				select {
				case b = <-home:
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			}
			charge(b)
			if held <= room || made <= 2 {
				return b, nil
			}
			made--
			held -= b.charged
		}
	}
	encoder, err := rd.encoder()
	if err != nil {
		return err
	}
	var packer Compressor
	if rd.packer != nil {
		packer = rd.packer()
	}
	var masker Masker
	if rd.masker != nil {
		if masker, err = rd.masker(); err != nil {
			return err
		}
	}
	admit := func(*runs.Run) bool { return true }
	if rd.filter != nil {
		if admit, err = rd.filter(); err != nil {
			return err
		}
	}
	var own *stats
	if rd.stats != nil {
		own = rd.stats.part()
		defer rd.stats.merge(own)
	}
	for {
		shard := int(next.Add(1)) - 1
		if shard >= len(queues) {
			return nil
		}
		add, end := rd.active.begin(shard, len(queues), rd.total)
		var b *block
		finish := func() error {
			if b == nil {
				return nil
			}
			if b.n == 0 { // all of it was known, or is kept back
				home <- b
				b = nil
				return nil
			}
			if packer != nil {
				b.packed = packer.Append(b.packed, b.lines)
			}
			if rd.rows != nil {
				rd.rows.Add(int64(b.n))
			}
			add(b.n)
			charge(b)
			if !send(ctx, queues[shard], b) {
				return context.Cause(ctx)
			}
			b = nil
			return nil
		}
		err := rd.snapshot.Scan(ctx, rd.tenant, shard, func(r *runs.Run) error {
			if !admit(r) {
				return nil
			}
			if b == nil {
				var err error
				if b, err = fresh(); err != nil {
					return err
				}
				b.shard = shard
			}
			tenant := r.TenantID
			if masker != nil {
				if err := masker.MaskRun(r); err != nil {
					return err
				}
			}
			var err error
			begin := len(b.lines)
			if b.lines, err = encoder.appendContent(b.lines, r); err != nil {
				return err
			}
			if rd.repeats != nil && rd.repeats.known(b.lines[begin:], r) {
				b.lines = b.lines[:begin]
				return nil
			}
			if own != nil {
				own.add(r)
			}
			if rd.lines {
				b.lines = append(b.lines, encoder.suffix...)
				b.ends = append(b.ends, len(b.lines))
			} else {
				b.lines = append(b.lines, contentEnd...)
				b.keep(r)
			}
			b.count(tenant, rd.time(r), rd.counts)
			if len(b.lines) >= size {
				return finish()
			}
			return nil
		})
		if err == nil {
			err = finish()
		}
		end()
		if err != nil {
			return err
		}
		close(queues[shard])
	}
}
