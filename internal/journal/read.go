package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"indelible"
	"indelible/internal/disk"
)

// Group is what one fsync made durable. After damage was taken out of a file a
// gap is read as a group without records.
type Group struct {
	Journal     indelible.ID
	Offset, End uint64
	Time        int64          // ms
	PrevHash    indelible.Hash // running hash before it
	Hash        indelible.Hash // running hash after it: commits to everything before
	Root        indelible.Hash // over the records
	Signature   indelible.Signature
	Records     []Record // their slices share one buffer, which is the caller's until Recycle
	Gap         bool
	buf         []byte
}

// Recycle gives the buffer of the records back: nobody may use their slices any
// more. It need not be called.
func (g *Group) Recycle() {
	if g.buf != nil {
		recycle(g.buf)
	}
	g.Records, g.buf = nil, nil
}

// reader holds the file that was read last, and where. The journal's readMu guards it.
type reader struct {
	id   indelible.ID
	f    disk.File
	end  uint64
	next indelible.Hash // what the group at end must name as its previous one
}

func (r *reader) close() error {
	f := r.f
	*r = reader{}
	if f == nil {
		return nil
	}
	return f.Close()
}

// open returns what is known of a journal, and its file. The caller holds readMu.
func (j *Journal) open(id indelible.ID) (Info, disk.File, error) {
	j.mu.Lock()
	f := j.find(id)
	if err := j.err; err != nil || f == nil {
		j.mu.Unlock()
		if err == nil {
			err = fs.ErrNotExist
		}
		return Info{}, nil, err
	}
	info, name, live := f.Info, f.name, f.w
	j.mu.Unlock()
	if j.reader.id != id {
		if err := j.reader.close(); err != nil {
			return info, nil, err
		}
		j.reader.id = id
	}
	if live != nil {
		return info, live, nil
	}
	if j.reader.f == nil {
		r, err := j.fsys.Open(name)
		if err != nil {
			return info, nil, err
		}
		j.reader.f = r
	}
	return info, j.reader.f, nil
}

// ReadGroup reads the group at offset. At the end of what is durable the error
// is io.EOF, on damage a *DamageError.
func (j *Journal) ReadGroup(id indelible.ID, offset uint64) (Group, error) {
	g, err := j.readGroup(id, offset)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read journal %s at %d: %w", id, offset, err)
	}
	return g, err
}

func (j *Journal) readGroup(id indelible.ID, offset uint64) (Group, error) {
	j.readMu.Lock()
	defer j.readMu.Unlock()
	info, f, err := j.open(id)
	if err != nil {
		return Group{}, err
	}
	if offset >= info.Length {
		return Group{}, io.EOF
	}
	for _, d := range info.Damage {
		if offset >= d.Offset && offset-d.Offset < d.Length {
			return Group{}, &DamageError{id, d}
		}
	}
	j.mu.Lock()
	kept, ok := j.recent.take(id, offset)
	j.mu.Unlock()
	if ok {
		g, err := kept.group()
		j.reader.end, j.reader.next = g.End, g.Hash
		return g, err
	}
	g, next, err := j.readIntact(f, id, offset, info.Length)
	var bad badBytes
	if errors.As(err, &bad) {
		return Group{}, &DamageError{id, Damage{offset, info.Length - offset, string(bad)}}
	}
	if err != nil {
		return Group{}, err
	}
	j.reader.end, j.reader.next = g.End, next
	return g, nil
}

func (j *Journal) readIntact(f disk.File, id indelible.ID, offset, length uint64) (g Group, next indelible.Hash, err error) {
	buf := *buffers.Get().(*[]byte)
	u, err := readUnit(f, id, offset, length, &buf)
	if err != nil {
		return g, next, err
	}
	if offset == j.reader.end && u.prev != j.reader.next {
		return g, next, badBytes("group does not follow the one before it")
	}
	g = Group{
		Journal: id, Offset: offset, End: u.end, Time: u.header.time, PrevHash: u.prev, Hash: u.hash,
		Root: u.header.root, Signature: u.header.signature, Records: u.records, Gap: u.gap, buf: buf,
	}
	return g, u.next, nil
}

var errFound = errors.New("found")

// HashAt is the running hash of a journal at a position where a group ends or
// the first one begins. It is not ok if there is no such place in the file: one
// restored from an older copy is shorter or has another hash.
func (j *Journal) HashAt(id indelible.ID, position uint64) (hash [32]byte, ok bool) {
	j.readMu.Lock()
	defer j.readMu.Unlock()
	info, f, err := j.open(id)
	if err != nil || position > info.Length {
		return hash, false
	}
	if position == fileHeaderSize && info.First == fileHeaderSize {
		var b [fileHeaderSize]byte
		if readFull(f, b[:], 0) != nil {
			return hash, false
		}
		return sha256.Sum256(b[:]), true
	}
	_, err = scanFile(f, id, info.Length, func(u *unit) error {
		if u.end < position {
			return nil
		}
		hash, ok = u.hash, u.end == position
		return errFound
	})
	return hash, ok && err == errFound
}

// Wait returns when something durable lies behind an offset of a journal, in it
// or in a later one. For a journal that is not there, any group will do.
func (j *Journal) Wait(ctx context.Context, id indelible.ID, offset uint64) error {
	for {
		j.mu.Lock()
		if err := j.refusal(); err != nil {
			j.mu.Unlock()
			return err
		}
		if j.behind(id, offset) {
			j.mu.Unlock()
			return nil
		}
		if j.grown == nil {
			j.grown = make(chan struct{})
		}
		grown := j.grown
		j.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (j *Journal) behind(id indelible.ID, offset uint64) bool {
	var counter uint64
	if f := j.find(id); f != nil {
		if f.Length > offset {
			return true
		}
		counter = f.Counter
	}
	for _, f := range j.files {
		if f.Counter > counter && f.Length > f.First {
			return true
		}
	}
	return false
}
