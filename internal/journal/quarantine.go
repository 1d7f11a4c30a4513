package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"indelible"
	"indelible/internal/disk"
)

// maxQuarantine bounds what Quarantine reads into memory: a journal file.
const maxQuarantine = 1 << 30

// Quarantined is damage that was taken out of a journal.
type Quarantined struct {
	Damage
	File string // where the bytes are now, below the journal's directory
}

// Quarantine copies the damaged bytes of a journal to files of their own and
// puts gaps in their place, so that what follows can be read. Nothing else in
// the file changes or moves, and a crash leaves the old file or the new one. No
// process may have the journal open: the caller holds the lock on the data
// directory.
func Quarantine(fsys disk.FS, dir string, id indelible.ID) ([]Quarantined, error) {
	out, err := quarantine(fsys, dir, id)
	if err != nil {
		return nil, fmt.Errorf("quarantine journal %s: %w", id, err)
	}
	return out, nil
}

func quarantine(fsys disk.FS, dir string, id indelible.ID) ([]Quarantined, error) {
	name, err := nameOf(fsys, dir, id)
	if err != nil {
		return nil, err
	}
	data, err := disk.ReadFile(fsys, name, maxQuarantine)
	if err != nil {
		return nil, err
	}
	r := bytes.NewReader(data)
	s, err := scanFile(r, id, uint64(len(data)), nil)
	if err != nil || len(s.damage) == 0 {
		return nil, err
	}
	// The evidence is safe before the file that holds it is replaced.
	var out []Quarantined
	for _, d := range s.damage {
		file, err := keep(fsys, dir, id, d.Offset, data[d.Offset:d.Offset+d.Length])
		if err != nil {
			return nil, err
		}
		out = append(out, Quarantined{d, file})
	}
	mended, err := mend(data, id, s.damage)
	if err != nil {
		return nil, err
	}
	return out, disk.WriteFile(fsys, name, mended)
}

// nameOf finds the path of a journal's file.
func nameOf(fsys disk.FS, dir string, id indelible.ID) (string, error) {
	entries, err := fsys.List(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-"+id.String()+suffix) {
			return path.Join(dir, e.Name()), nil
		}
	}
	return "", fs.ErrNotExist
}

// keep writes damaged bytes to quarantine/<id>-<offset>.bin. A file there with
// the same bytes is of a run that was cut short; one with others is earlier
// damage at the same place and stays.
func keep(fsys disk.FS, dir string, id indelible.ID, offset uint64, data []byte) (string, error) {
	for n := 1; ; n++ {
		file := fmt.Sprintf("quarantine/%s-%d.bin", id, offset)
		if n > 1 {
			file = fmt.Sprintf("quarantine/%s-%d.%d.bin", id, offset, n)
		}
		name := path.Join(dir, file)
		err := disk.CreateFile(fsys, name, data)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		there, err := disk.ReadFile(fsys, name, maxQuarantine)
		if err != nil {
			return "", err
		}
		if bytes.Equal(there, data) {
			return file, nil
		}
	}
}

// mend returns a copy of a journal file with gaps in place of the damage.
func mend(data []byte, id indelible.ID, damage []Damage) ([]byte, error) {
	out := bytes.Clone(data)
	for _, d := range damage {
		end := d.Offset + d.Length
		if d.Offset == 0 {
			h := fileHeader{id: id, replaced: true}
			copy(out, h.encode())
			d.Offset = fileHeaderSize
			if end <= fileHeaderSize {
				continue
			}
		}
		if end == uint64(len(out)) && end-d.Offset < gapHeaderSize {
			out = out[:d.Offset] // nothing follows that would have to keep its place
			continue
		}
		if end-d.Offset < gapHeaderSize {
			return nil, fmt.Errorf("%d damaged bytes at %d are too few for the mark of a gap; bytes were taken out of the file or put in", end-d.Offset, d.Offset)
		}
		gap := gapHeader{id: id, offset: d.Offset, length: end - d.Offset, sum: sha256.Sum256(data[d.Offset:end])}
		gap.prev, gap.next = linkBefore(out, id, d.Offset), linkAfter(out, id, end)
		clear(out[d.Offset:end])
		copy(out[d.Offset:], gap.encode())
	}
	// Mended, it must read from beginning to end.
	s, err := scanFile(bytes.NewReader(out), id, uint64(len(out)), nil)
	if err == nil && len(s.damage) > 0 {
		err = &DamageError{id, s.damage[0]}
	}
	return out, err
}

// linkBefore is what the unit at offset must name as its previous one. What
// lies before it is mended.
func linkBefore(data []byte, id indelible.ID, offset uint64) indelible.Hash {
	link := indelible.Hash(sha256.Sum256(data[:fileHeaderSize]))
	scanFile(bytes.NewReader(data), id, offset, func(u *unit) error {
		link = u.next
		return nil
	})
	return link
}

// linkAfter is what the unit at offset names as its previous one; zero if there is none.
func linkAfter(data []byte, id indelible.ID, offset uint64) indelible.Hash {
	var buf []byte
	u, err := readUnit(bytes.NewReader(data), id, offset, uint64(len(data)), &buf)
	if err != nil {
		return indelible.Hash{}
	}
	return u.prev
}
