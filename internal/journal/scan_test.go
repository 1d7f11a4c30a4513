package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/disk/disktest"

	"github.com/google/go-cmp/cmp"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// place puts a journal file on an empty disk.
func place(t testing.TB, data []byte) *disktest.Mem {
	t.Helper()
	m := disktest.New()
	if err := m.MkdirAll("journal"); err != nil {
		t.Fatal(err)
	}
	if err := m.Overwrite(path.Join("journal", fileName(1, testID)), data); err != nil {
		t.Fatal(err)
	}
	return m
}

// ends are the positions where the groups of a file end, the header first.
func ends(t testing.TB, data []byte) []uint64 {
	t.Helper()
	at := []uint64{fileHeaderSize}
	s, err := scanFile(bytes.NewReader(data), testID, uint64(len(data)), func(u *unit) error {
		at = append(at, u.end)
		return nil
	})
	if err != nil || len(s.damage) > 0 || s.torn > 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	return at
}

// groupsBefore is the number of groups that lie before position n.
func groupsBefore(at []uint64, n uint64) int {
	count := 0
	for _, end := range at[1:] {
		if end <= n {
			count++
		}
	}
	return count
}

func exampleGroups() [][]Record {
	return [][]Record{testRecords(0, 2), testRecords(2, 3), testRecords(3, 6), testRecords(6, 7)}
}

func TestTornTailAtEveryByte(t *testing.T) {
	groups := exampleGroups()
	data := buildFile(groups...)
	at := ends(t, data)
	for n := range data {
		m := place(t, data[:n])
		j := mustOpen(t, m, testOptions())
		whole := groupsBefore(at, uint64(n))
		if got := mustReadAll(t, j); !sameRecords(got, slices.Concat(groups[:whole]...)) {
			t.Fatalf("cut at %d: %s", n, cmp.Diff(slices.Concat(groups[:whole]...), got))
		}
		infos := j.Journals()
		switch {
		case n <= fileHeaderSize && len(infos) != 0:
			t.Fatalf("cut at %d: a file without records was kept: %+v", n, infos)
		case n > fileHeaderSize && (infos[0].Length != at[whole] || infos[0].TornBytes != uint64(n)-at[whole] || infos[0].Damage != nil):
			t.Fatalf("cut at %d: %+v", n, infos)
		}
		j.Close()
	}
}

// A flipped bit is a torn tail in the last group, named damage everywhere else,
// and taken out by Quarantine without losing any other group.
func TestBitFlipAtEveryByte(t *testing.T) {
	groups := exampleGroups()
	data := buildFile(groups...)
	at := ends(t, data)
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		m := place(t, flipped)
		hit := groupsBefore(at, uint64(i)) // the group that lost a bit
		inHeader := i < fileHeaderSize
		last := hit == len(groups)-1

		j := mustOpen(t, m, testOptions())
		info := j.Journals()[0]
		records, err := readAll(j)
		j.Close()
		var damage *DamageError
		switch {
		case inHeader && (!errors.As(err, &damage) || damage.Offset != 0 || len(records) != 0):
			t.Fatalf("bit of byte %d: read %d records, %v", i, len(records), err)
		case !inHeader && !sameRecords(records, slices.Concat(groups[:hit]...)):
			t.Fatalf("bit of byte %d: read %d records", i, len(records))
		case !inHeader && last && (err != nil || info.TornBytes == 0 || info.Damage != nil):
			t.Fatalf("bit of byte %d, in the last group: %+v, %v", i, info, err)
		case !inHeader && !last && (!errors.As(err, &damage) || damage.Offset != at[hit] || damage.Length != at[hit+1]-at[hit]):
			t.Fatalf("bit of byte %d: %v", i, err)
		}
		if last {
			continue
		}

		out, err := Quarantine(m, "journal", testID)
		if err != nil || len(out) != 1 {
			t.Fatalf("bit of byte %d: quarantine: %v, %v", i, out, err)
		}
		kept, err := disk.ReadFile(m, path.Join("journal", out[0].File), 1<<20)
		if err != nil || !bytes.Equal(kept, flipped[out[0].Offset:out[0].Offset+out[0].Length]) {
			t.Fatalf("bit of byte %d: quarantined bytes differ: %v", i, err)
		}
		rest := slices.Clone(groups)
		if !inHeader {
			rest = slices.Delete(rest, hit, hit+1)
		}
		mended := mustOpen(t, m, testOptions())
		if got := mustReadAll(t, mended); !sameRecords(got, slices.Concat(rest...)) {
			t.Fatalf("bit of byte %d: after the quarantine: %s", i, cmp.Diff(slices.Concat(rest...), got))
		}
		if hash, ok := mended.HashAt(testID, at[4]); !ok || hash != hashAt(t, data, at[4]) {
			t.Fatalf("bit of byte %d: the quarantine changed the running hash of a later group", i)
		}
		mended.Close()
	}
}

func hashAt(t testing.TB, data []byte, position uint64) (hash indelible.Hash) {
	t.Helper()
	_, err := scanFile(bytes.NewReader(data), testID, uint64(len(data)), func(u *unit) error {
		if u.end == position {
			hash = u.hash
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// Complete groups that do not follow each other are not what a power cut leaves.
func TestSplicedFile(t *testing.T) {
	groups := exampleGroups()
	ours := buildFile(groups...)
	at := ends(t, ours)
	other := slices.Clone(groups)
	other[1] = []Record{testRecord(8)} // of the same length
	theirs := buildFile(other...)
	for _, tail := range []int{2, 3} {
		spliced := append(bytes.Clone(theirs[:at[tail]]), ours[at[tail]:at[tail+1]]...)
		j := mustOpen(t, place(t, spliced), testOptions())
		records, err := readAll(j)
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Offset != at[tail] || !sameRecords(records, slices.Concat(other[:tail]...)) {
			t.Errorf("spliced at group %d: read %d records, %v", tail, len(records), err)
		}
		if d := j.Journals()[0].Damage; len(d) != 1 || d[0] != damage.Damage {
			t.Errorf("spliced at group %d: %+v", tail, d)
		}
		j.Close()
	}
}

// What changes after the scan is noticed by the reader.
func TestFileChangesUnderTheReader(t *testing.T) {
	groups := exampleGroups()
	ours := buildFile(groups...)
	at := ends(t, ours)
	other := slices.Clone(groups)
	other[1] = []Record{testRecord(8)}
	m := place(t, ours)
	j := mustOpen(t, m, testOptions())
	spliced := append(buildFile(other...)[:at[2]], ours[at[2]:]...)
	if err := m.Overwrite(path.Join("journal", fileName(1, testID)), spliced); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if got, err := readAll(j); !errors.As(err, &damage) || damage.Offset != at[2] {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// Checksums alone do not make a group: its root must be that of its records.
func TestRootIsChecked(t *testing.T) {
	groups := exampleGroups()
	data := buildFile(groups...)
	at := ends(t, data)
	g, err := decodeGroupHeader(data[at[1]:])
	if err != nil {
		t.Fatal(err)
	}
	g.root[0]++
	g.encode(data[at[1]:])
	j := mustOpen(t, place(t, data), testOptions())
	var damage *DamageError
	if got, err := readAll(j); !errors.As(err, &damage) || damage.Offset != at[1] || !strings.Contains(damage.What, "root") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// A copy of a group inside an event is content, not a group.
func TestGroupInsideAPayload(t *testing.T) {
	inner := buildFile(testRecords(0, 2))
	for _, at := range []int{fileHeaderSize, 0} {
		r := testRecord(1)
		r.Payload = inner[at:]
		data := buildFile(testRecords(0, 1), []Record{r})
		data[len(data)-1]++
		j := mustOpen(t, place(t, data), testOptions())
		info := j.Journals()[0]
		if got := mustReadAll(t, j); len(got) != 1 || info.Damage != nil || info.TornBytes == 0 {
			t.Errorf("%d records, %+v", len(got), info)
		}
		j.Close()
	}
}

func TestSeveralDamages(t *testing.T) {
	groups := [][]Record{testRecords(0, 1), testRecords(1, 2), testRecords(2, 3), testRecords(3, 4), testRecords(4, 5), testRecords(5, 6)}
	data := buildFile(groups...)
	at := ends(t, data)
	bad := bytes.Clone(data)
	for _, g := range []int{1, 2, 4} {
		bad[at[g]+20] ^= 0x10
	}
	bad[3]++
	m := place(t, bad)
	out, err := Quarantine(m, "journal", testID)
	if err != nil || len(out) != 3 {
		t.Fatalf("quarantine: %+v, %v", out, err)
	}
	j := mustOpen(t, m, testOptions())
	if diff := cmp.Diff(slices.Concat(groups[0], groups[3], groups[5]), mustReadAll(t, j)); diff != "" {
		t.Error(diff)
	}
	info := j.Journals()[0]
	if g, err := j.ReadGroup(testID, at[1]); err != nil || !g.Gap || g.End != at[3] {
		t.Errorf("where damage was: %+v, %v", g, err)
	} else if hash, ok := j.HashAt(testID, at[3]); !ok || indelible.Hash(hash) != g.Hash {
		t.Error("running hash behind a gap is not the gap's")
	}
	if info.Damage != nil || info.TornBytes != 0 {
		t.Errorf("after the quarantine: %+v", info)
	}
	j.Close()

	// The mark of a gap can be damaged in turn; the first evidence stays.
	name := path.Join("journal", fileName(1, testID))
	mended, err := disk.ReadFile(m, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	mended[at[1]+50]++
	if err := m.Overwrite(name, mended); err != nil {
		t.Fatal(err)
	}
	again, err := Quarantine(m, "journal", testID)
	if err != nil || len(again) != 1 || again[0].File == out[1].File {
		t.Fatalf("second quarantine: %+v, %v", again, err)
	}
}

func TestOlderCopyIsNoticed(t *testing.T) {
	groups := exampleGroups()
	full := buildFile(groups...)
	at := ends(t, full)
	other := slices.Clone(groups)
	other[2] = append(testRecords(3, 5), testRecord(9))
	for name, c := range map[string]struct {
		data []byte
		ok   bool
	}{
		"the file itself": {full, true},
		"a shorter copy":  {full[:at[2]], false},
		"a torn copy":     {full[:at[3]-1], false},
		"another history": {buildFile(other...), false},
	} {
		j := mustOpen(t, place(t, c.data), testOptions())
		hash, ok := j.HashAt(testID, at[3])
		if same := ok && hash == hashAt(t, full, at[3]); same != c.ok {
			t.Errorf("%s: same %v", name, same)
		}
		if hash, ok := j.HashAt(testID, fileHeaderSize); !ok || hash != sum(full[:fileHeaderSize]) {
			t.Errorf("%s: running hash at the beginning: %v", name, ok)
		}
		if _, ok := j.HashAt(testID, at[1]+1); ok {
			t.Errorf("%s: a hash between groups", name)
		}
		j.Close()
	}
}

func TestFilesThatAreNotJournals(t *testing.T) {
	name := func(s string) string { return path.Join("journal", s) }
	for bad, data := range map[string][]byte{
		"copy of 1.journal":                 nil,
		fileName(2, testID):                 buildFile(testRecords(0, 1)), // twice
		"2-" + testID.String() + ".journal": nil,
	} {
		m := place(t, buildFile(testRecords(0, 1)))
		if err := m.Overwrite(name(bad), data); err != nil {
			t.Fatal(err)
		}
		if j, err := Open(m, "journal", testOptions()); err == nil {
			j.Close()
			t.Errorf("%s: accepted", bad)
		}
	}
	m := place(t, buildFile(testRecords(0, 1)))
	for _, other := range []string{"window", disk.TempPrefix + "1"} {
		if err := m.Overwrite(name(other), nil); err != nil {
			t.Fatal(err)
		}
	}
	j := mustOpen(t, m, testOptions())
	if len(mustReadAll(t, j)) != 1 {
		t.Error("lost a record")
	}
	if _, err := m.Open(name("window")); err != nil {
		t.Error("removed a file that is not ours")
	}
	if _, err := m.Open(name(disk.TempPrefix + "1")); err == nil {
		t.Error("left an unfinished file")
	}
}

func FuzzScan(f *testing.F) {
	data := buildFile(exampleGroups()...)
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Add(buildFile())
	for _, i := range []int{3, 70, 300, 700} {
		c := bytes.Clone(data)
		c[i]++
		f.Add(c)
		if mended, err := mend(c, testID, []Damage{{fileHeaderSize, uint64(len(data)) - fileHeaderSize, ""}}); err == nil {
			f.Add(mended)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		count := func(data []byte) (s scan, refs []indelible.Ref, err error) {
			s, err = scanFile(bytes.NewReader(data), testID, uint64(len(data)), func(u *unit) error {
				if u.end <= u.offset || u.end > uint64(len(data)) {
					t.Fatalf("a unit from %d to %d of %d", u.offset, u.end, len(data))
				}
				for _, r := range u.records {
					refs = append(refs, r.EventRef)
				}
				return nil
			})
			return s, refs, err
		}
		s, before, err := count(data)
		if err != nil {
			if !errors.Is(err, indelible.ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		if s.length+s.torn+s.old != uint64(len(data)) {
			t.Fatalf("%d bytes, %d torn and %d old of %d", s.length, s.torn, s.old, len(data))
		}
		last := uint64(0)
		for _, d := range s.damage {
			if d.Offset < last || d.Length == 0 || d.Offset+d.Length > s.length {
				t.Fatalf("damage %+v after %d in a length of %d", d, last, s.length)
			}
			last = d.Offset + d.Length
		}
		mended, err := mend(data, testID, s.damage)
		if err != nil {
			return
		}
		s, after, err := count(mended)
		if err != nil || len(s.damage) > 0 || !slices.Equal(before, after) {
			t.Fatalf("%d records, %d after mending, %+v, %v", len(before), len(after), s.damage, err)
		}
	})
}
