package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"indelible/internal/disk"
	"indelible/internal/disk/disktest"
)

// namesIn counts the journals and the spares in a directory.
func namesIn(t testing.TB, m *disktest.Mem) (journals, spares int) {
	t.Helper()
	entries, err := m.List("journal")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch _, spare := parseSpareName(e.Name()); {
		case spare:
			spares++
		case strings.HasSuffix(e.Name(), suffix):
			journals++
		default:
			t.Errorf("a file named %s", e.Name())
		}
	}
	return journals, spares
}

// olderFile is the file of another journal with the same groups, so that its
// groups begin and end where ours do.
func olderFile(t testing.TB, groups ...[]Record) []byte {
	t.Helper()
	m := disktest.New()
	j, err := Open(m, "journal", testOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if _, err := j.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	info := j.Journals()[0]
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := disk.ReadFile(m, path.Join("journal", fileName(info.Counter, info.ID)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// over writes new over the beginning of old.
func over(old, new []byte) []byte {
	out := bytes.Clone(old)
	return append(out[:copy(out, new)], slices.Concat(new[min(len(new), len(old)):], out[min(len(new), len(old)):])...)
}

func TestSparesAreKeptAndUsed(t *testing.T) {
	m := disktest.New()
	j := mustOpen(t, m, smallOptions())
	n := 0
	fill := func(files int) {
		for ; len(j.Journals()) < files; n++ {
			mustAppend(t, j, testRecord(n))
		}
	}
	trim := func() {
		for _, f := range j.Journals() {
			if !f.Live {
				if err := j.Trim(f.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	fill(5)
	trim()
	if journals, spares := namesIn(t, m); journals != 1 || spares != maxSpares {
		t.Fatalf("%d journals and %d spares after a trim", journals, spares)
	}
	fill(2)
	if journals, spares := namesIn(t, m); journals != 2 || spares != maxSpares-1 {
		t.Fatalf("%d journals and %d spares after one was begun", journals, spares)
	}
	live := j.Journals()[1]
	if ok, err := j.Retire(live.ID, live.Length); !ok || err != nil {
		t.Fatalf("retire: %v, %v", ok, err)
	}
	if _, spares := namesIn(t, m); spares != maxSpares {
		t.Errorf("%d spares after Retire", spares)
	}
	j.Close()

	// The next process uses them; somebody may have deleted one.
	if err := m.Remove(j.spares[0]); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, m, smallOptions())
	trim()
	fill(3)
	first := n - len(mustReadAll(t, j))
	if got := mustReadAll(t, j); !sameRecords(got, testRecords(first, n)) {
		t.Errorf("%d records", len(got))
	}
	j.Close()

	// Files of another size than those that are written now are of no use.
	opts := smallOptions()
	opts.FileBytes = 1 << 20
	j = mustOpen(t, m, opts)
	mustAppend(t, j, testRecord(n))
	trim()
	if journals, spares := namesIn(t, m); journals != 1 || spares != 0 {
		t.Errorf("%d journals and %d spares of files that are too small", journals, spares)
	}
}

// The limit is for records: an old file's bytes do not count.
func TestOldBytesDoNotCount(t *testing.T) {
	groups := exampleGroups()
	ours := buildFile(groups[0])
	data := over(olderFile(t, groups...), ours)
	opts := smallOptions()
	opts.MaxBytes = int64(len(ours) + fileHeaderSize + 2*groupHeaderSize)
	j := mustOpen(t, place(t, data), opts)
	mustAppend(t, j, testRecord(1))
	if info := j.Journals()[0]; info.TornBytes != 0 || info.OldBytes != uint64(len(data)-len(ours)) {
		t.Errorf("%+v", info)
	}
}

// After every number of groups the older journal's groups stand exactly where
// ours would.
func TestOldGroupsAreNeverRead(t *testing.T) {
	groups := exampleGroups()
	old := olderFile(t, groups...)
	ours := buildFile(groups...)
	for k, end := range ends(t, ours)[1:] {
		for name, tail := range map[string][]byte{"groups": old[end:], "zeros": make([]byte, len(old)-int(end)), "nothing": nil} {
			data := slices.Concat(ours[:end], tail)
			j := mustOpen(t, place(t, data), testOptions())
			info := j.Journals()[0]
			if got := mustReadAll(t, j); !sameRecords(got, slices.Concat(groups[:k+1]...)) {
				t.Fatalf("%s behind group %d: %d records", name, k, len(got))
			}
			if info.TornBytes != 0 || info.OldBytes != uint64(len(data))-end || info.Damage != nil {
				t.Errorf("%s behind group %d: %+v", name, k, info)
			}
			j.Close()
		}
	}
}

// A spare that was begun, and no more, is a spare again. A whole journal under
// the name of another is not: no crash makes one, and its records may be needed.
func TestSpareThatWasBegun(t *testing.T) {
	old := olderFile(t, exampleGroups()...)
	m := place(t, over(old, buildFile()))
	j := mustOpen(t, m, smallOptions())
	if journals, spares := namesIn(t, m); journals != 0 || spares != 1 || len(j.Journals()) != 0 {
		t.Errorf("%d journals, %d spares, %+v", journals, spares, j.Journals())
	}
	mustAppend(t, j, testRecord(1))
	if got := mustReadAll(t, j); !sameRecords(got, testRecords(1, 2)) {
		t.Errorf("%d records", len(got))
	}
	if journals, spares := namesIn(t, m); journals != 1 || spares != 0 {
		t.Errorf("%d journals, %d spares", journals, spares)
	}
	j.Close()

	j = mustOpen(t, place(t, old), smallOptions())
	if infos := j.Journals(); len(infos) != 1 || len(infos[0].Damage) != 1 {
		t.Errorf("another journal's file: %+v", infos)
	}
}

// A write over an older journal's groups is cut short at every byte, or only
// what is behind that byte gets to the disk.
func TestTornWriteOverOldBytes(t *testing.T) {
	groups := exampleGroups()
	old := olderFile(t, groups...)
	ours := buildFile(groups...)
	at := ends(t, ours)
	for k := range groups {
		from, end := at[k], at[k+1]
		for n := from + 1; n < end; n++ {
			for what, written := range map[string][]byte{
				"up to":  over(old, ours[:n]),
				"behind": slices.Concat(ours[:from], old[from:n], ours[n:end], old[end:]),
			} {
				j := mustOpen(t, place(t, written), testOptions())
				got := mustReadAll(t, j)
				// What differs may all be there already.
				whole := bytes.Equal(written[from:end], ours[from:end])
				want := slices.Concat(groups[:k]...)
				if whole {
					want = slices.Concat(groups[:k+1]...)
				}
				if !sameRecords(got, want) {
					t.Fatalf("group %d written %s %d: %d records", k, what, n, len(got))
				}
				for _, f := range j.Journals() {
					if f.Damage != nil || f.Length+f.TornBytes+f.OldBytes != uint64(len(written)) || f.TornBytes > end-from {
						t.Fatalf("group %d written %s %d: %+v", k, what, n, f)
					}
					if what == "up to" && n >= from+groupHeaderSize && !whole && f.TornBytes != end-from {
						t.Fatalf("group %d written up to %d: %+v", k, n, f)
					}
				}
				j.Close()
			}
		}
	}
}

// A flipped bit is found as it is in a file with nothing behind its groups.
func TestBitFlipInFileUsedAgain(t *testing.T) {
	groups := exampleGroups()
	ours := buildFile(groups[:3]...)
	at := ends(t, ours)
	data := over(olderFile(t, groups...), ours)
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		j := mustOpen(t, place(t, flipped), testOptions())
		info := j.Journals()[0]
		records, err := readAll(j)
		j.Close()
		hit := groupsBefore(at, uint64(i))
		var damage *DamageError
		switch {
		case i < fileHeaderSize: // as if all before the first group were damaged
			if !errors.As(err, &damage) || damage.Offset != 0 || len(records) != 0 {
				t.Fatalf("bit of byte %d: %d records, %v", i, len(records), err)
			}
		case hit == 3 || hit == 2:
			if err != nil || info.Damage != nil || !sameRecords(records, slices.Concat(groups[:hit]...)) || (info.TornBytes > 0) != (hit == 2) {
				t.Fatalf("bit of byte %d: %+v, %v", i, info, err)
			}
		case !errors.As(err, &damage) || damage.Offset != at[hit] || damage.Length != at[hit+1]-at[hit]:
			t.Fatalf("bit of byte %d: %v", i, err)
		}
	}
	// Damage is taken out without what lies behind the tail getting in the way.
	flipped := bytes.Clone(data)
	flipped[at[1]+7]++
	m := place(t, flipped)
	if out, err := Quarantine(m, "journal", testID); err != nil || len(out) != 1 {
		t.Fatalf("quarantine: %+v, %v", out, err)
	}
	j := mustOpen(t, m, testOptions())
	if got := mustReadAll(t, j); !sameRecords(got, slices.Concat(groups[0], groups[2])) {
		t.Errorf("%d records after the quarantine", len(got))
	}
}

// The power goes at every sync of a journal whose files are given up and used
// again all the time. What was acknowledged and not given up is there, in order
// and once, and nothing of an older journal ever comes back between.
func TestPowerLossWithSpares(t *testing.T) {
	opts := smallOptions()
	opts.FileBytes, opts.GroupBytes = 30_000, 20_000
	m := disktest.New()
	rng := rand.New(rand.NewPCG(5, 6))
	type crash struct {
		what       string
		m          *disktest.Mem
		from, upto int // records that must be there
	}
	var crashes []crash
	from, upto, used := 0, 0, 0
	cut := func(when string) disktest.Hook {
		return func(n int, name string) error {
			for i := range 4 {
				r := rng
				if i == 0 {
					r = nil
				}
				crashes = append(crashes, crash{fmt.Sprintf("%s sync %d of %s", when, n, name), m.Crash(r), from, upto})
			}
			if strings.Contains(name, sparePrefix) && when == "after" {
				used++
			}
			return nil
		}
	}
	m.OnSync(cut("before"))
	m.AfterSync(cut("after"))
	for process := range 3 {
		j := mustOpen(t, m, opts)
		for call := range 12 {
			n := 1 + (process+call)%5
			mustAppend(t, j, powerRecords(upto, upto+n)...)
			upto += n
			if call%3 == 2 {
				giveUp(t, j, &from)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if used < 5 {
		t.Fatalf("only %d spares were used", used)
	}
	for _, c := range crashes {
		j := mustOpen(t, c.m, opts)
		got := mustReadAll(t, j)
		var first int
		if len(got) > 0 {
			fmt.Sscanf(string(got[0].EventRef[:]), "%d", &first)
		} else {
			first = c.upto
		}
		if first > c.from && c.from < c.upto || first+len(got) < c.upto || !sameRecords(got, powerRecords(first, first+len(got))) {
			t.Fatalf("crash %s: records from %d, %d of them; want %d to %d", c.what, first, len(got), c.from, c.upto)
		}
		next := first + len(got)
		mustAppend(t, j, powerRecords(next, next+9)...)
		if again := mustReadAll(t, j); !sameRecords(again, powerRecords(first, next+9)) {
			t.Fatalf("crash %s: %d records after another append", c.what, len(again))
		}
		for _, f := range j.Journals() {
			if f.Damage != nil {
				t.Fatalf("crash %s: %+v", c.what, f)
			}
		}
		if journals, spares := namesIn(t, c.m); spares > maxSpares || journals != len(j.Journals()) {
			t.Fatalf("crash %s: %d spares, %d files of %d journals", c.what, spares, journals, len(j.Journals()))
		}
		j.Close()
	}
}

// giveUp trims what has ended, the oldest first, and moves from to the first
// record that must still be there.
func giveUp(t *testing.T, j *Journal, from *int) {
	t.Helper()
	for _, f := range j.Journals() {
		if f.Live {
			continue
		}
		gone := 0
		for at := f.First; at < f.Length; {
			g, err := j.ReadGroup(f.ID, at)
			if err != nil {
				t.Fatal(err)
			}
			gone, at = gone+len(g.Records), g.End
		}
		*from += gone // before the first sync, after which they may be gone
		if err := j.Trim(f.ID); err != nil {
			t.Fatal(err)
		}
	}
}
