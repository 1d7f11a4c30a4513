package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"path/filepath"

	"indelible"
	"indelible/internal/disk"
)

// run is a file of references sorted by value, with the index of each, and a
// Bloom filter that keeps most lookups away from the file.
//
//	0   4  magic INWR, version, suite, two zero bytes
//	8  16  log id
//	24  8  first leaf covered
//	32  8  end: the first leaf not covered
//	40  8  number of entries
//	48  4  CRC-32C of everything before and after this field
//	52     filter, filterBytes(number of entries)
//	…      entries: reference (16), index (u64)
type run struct {
	fsys  disk.FS
	f     disk.File
	path  string
	first uint64
	end   uint64
	count int

	inWindow bool
	filter   []byte
}

const (
	runMagic  = "INWR"
	runHeader = 52
	runEntry  = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// filterBytes is the size of a filter of 12 bits a reference, in 64-byte blocks.
func filterBytes(count int) int { return (count*12/512 + 1) * 64 }

// filterBits picks the block of a reference and eight bits in it. References
// are HMAC values, so any of their bits will do.
func filterBits(filter []byte, ref *indelible.Ref) (block []byte, h uint64) {
	n := uint64(len(filter) / 64)
	hi, _ := bits.Mul64(binary.BigEndian.Uint64(ref[8:]), n)
	return filter[hi*64 : hi*64+64], binary.LittleEndian.Uint64(ref[:8])
}

func filterAdd(filter []byte, ref *indelible.Ref) {
	block, h := filterBits(filter, ref)
	for range 6 {
		block[h>>3&63] |= 1 << (h & 7)
		h >>= 9
	}
}

func filterHas(filter []byte, ref *indelible.Ref) bool {
	block, h := filterBits(filter, ref)
	for range 6 {
		if block[h>>3&63]&(1<<(h&7)) == 0 {
			return false
		}
		h >>= 9
	}
	return true
}

// writeRun makes a run of sorted entries and opens it.
func writeRun(fsys disk.FS, dir string, log indelible.ID, first, end uint64, entries []byte) (*run, error) {
	count := len(entries) / runEntry
	filter := filterBytes(count)
	b := make([]byte, runHeader+filter, runHeader+filter+len(entries))
	copy(b, indelible.AppendPrefix(nil, runMagic))
	copy(b[8:], log[:])
	binary.BigEndian.PutUint64(b[24:], first)
	binary.BigEndian.PutUint64(b[32:], end)
	binary.BigEndian.PutUint64(b[40:], uint64(count))
	for i := 0; i < len(entries); i += runEntry {
		filterAdd(b[runHeader:], (*indelible.Ref)(entries[i:i+16]))
	}
	b = append(b, entries...)
	sum := crc32.Update(crc32.Checksum(b[:48], castagnoli), castagnoli, b[runHeader:])
	binary.BigEndian.PutUint32(b[48:], sum)
	name := filepath.Join(dir, fmt.Sprintf("%020d-%020d.run", first, end))
	if err := disk.WriteFile(fsys, name, b); err != nil {
		return nil, err
	}
	return openRun(fsys, name, log)
}

// openRun opens a run and checks it from end to end.
func openRun(fsys disk.FS, name string, log indelible.ID) (*run, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	r := &run{fsys: fsys, f: f, path: name, inWindow: true}
	if err := r.load(log); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func (r *run) load(log indelible.ID) error {
	size, err := r.f.Size()
	if err != nil {
		return err
	}
	var h [runHeader]byte
	if _, err := r.f.ReadAt(h[:], 0); err != nil {
		return err
	}
	if err := indelible.CheckPrefix("run", runMagic, h[:]); err != nil {
		return err
	}
	r.first, r.end = binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:])
	count := binary.BigEndian.Uint64(h[40:])
	if !bytes.Equal(h[8:24], log[:]) || r.first >= r.end || count > uint64(size)/runEntry {
		return errors.New("not a run of this log")
	}
	r.count = int(count)
	if size != int64(runHeader+filterBytes(r.count)+r.count*runEntry) {
		return errors.New("wrong length")
	}
	r.filter = make([]byte, filterBytes(r.count))
	if _, err := r.f.ReadAt(r.filter, runHeader); err != nil {
		return err
	}
	sum := crc32.Update(crc32.Checksum(h[:48], castagnoli), castagnoli, r.filter)
	buf := make([]byte, 1<<20)
	for at := int64(runHeader + len(r.filter)); at < size; {
		n, err := r.f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if n == 0 && err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, buf[:n])
		at += int64(n)
	}
	if sum != binary.BigEndian.Uint32(h[48:]) {
		return errors.New("checksum does not match")
	}
	return nil
}

// lookup finds a reference. As references are spread evenly, the place of one
// is near its share of the file: one read finds it almost always.
func (r *run) lookup(ref indelible.Ref) (uint64, bool, error) {
	if r.filter != nil && !filterHas(r.filter, &ref) {
		return 0, false, nil
	}
	const near = 512
	base := int64(runHeader + filterBytes(r.count))
	lo, hi := 0, r.count // the entries that may hold it
	var buf [near * runEntry]byte
	guess64, _ := bits.Mul64(binary.BigEndian.Uint64(ref[:8]), uint64(r.count))
	guess := int(guess64)
	for lo < hi {
		from := max(lo, min(guess-near/2, hi-near))
		n := min(near, hi-from)
		b := buf[:n*runEntry]
		if _, err := r.f.ReadAt(b, base+int64(from*runEntry)); err != nil && err != io.EOF {
			return 0, false, fmt.Errorf("read %s: %w", r.path, err)
		}
		switch {
		case bytes.Compare(ref[:], b[:16]) < 0:
			hi = from
		case bytes.Compare(ref[:], b[(n-1)*runEntry:(n-1)*runEntry+16]) > 0:
			lo = from + n
		default:
			index, ok := searchEntries(b, ref)
			return index, ok, nil
		}
		guess = (lo + hi) / 2
	}
	return 0, false, nil
}

func searchEntries(b []byte, ref indelible.Ref) (uint64, bool) {
	lo, hi := 0, len(b)/runEntry
	for lo < hi {
		mid := (lo + hi) / 2
		e := b[mid*runEntry : (mid+1)*runEntry]
		switch c := bytes.Compare(e[:16], ref[:]); {
		case c == 0:
			return binary.BigEndian.Uint64(e[16:]), true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}

// all reads the entries.
func (r *run) all() ([]byte, error) {
	b := make([]byte, r.count*runEntry)
	_, err := r.f.ReadAt(b, int64(runHeader+filterBytes(r.count)))
	if err == io.EOF || len(b) == 0 {
		err = nil
	}
	return b, err
}

// mergeEntries merges two sorted lists of entries.
func mergeEntries(a, b []byte) []byte {
	out := make([]byte, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if bytes.Compare(a[:16], b[:16]) <= 0 {
			out, a = append(out, a[:runEntry]...), a[runEntry:]
		} else {
			out, b = append(out, b[:runEntry]...), b[runEntry:]
		}
	}
	return append(append(out, a...), b...)
}

func (r *run) remove() {
	r.f.Close()
	r.fsys.Remove(r.path)
}
