package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/disk/disktest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = ed25519.NewKeyFromSeed(make([]byte, 32))

func testSigner(root [32]byte, id [16]byte, group uint64, ms int64) (sig [64]byte, err error) {
	copy(sig[:], ed25519.Sign(testKey, indelible.ReceiptMessage(indelible.ID{}, id, group, ms, root)))
	return sig, nil
}

func testOptions() Options {
	return Options{
		Signer:      testSigner,
		OpeningSize: 7,
		Directory:   [16]byte{0xd1},
		Clock:       func() time.Time { return time.UnixMilli(1_700_000_000_000) },
	}
}

func publicKey(k ed25519.PrivateKey) indelible.PublicKey {
	return indelible.PublicKey(k.Public().(ed25519.PublicKey))
}

// testRecord makes a record that is recognisable by its number.
func testRecord(n int) Record {
	payload := fmt.Appendf(nil, "payload %d", n)
	r := Record{PayloadHash: sha256.Sum256(payload), Tenant: fmt.Appendf(nil, "tenant %d", n%3), Payload: payload}
	r.TenantRef[0] = byte(n % 3)
	copy(r.EventRef[:], fmt.Sprintf("%016d", n))
	return r
}

func testRecords(from, to int) []Record {
	var records []Record
	for n := from; n < to; n++ {
		records = append(records, testRecord(n))
	}
	return records
}

func mustOpen(t *testing.T, fsys disk.FS, opts Options) *Journal {
	t.Helper()
	j, err := Open(fsys, "journal", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func mustAppend(t *testing.T, j *Journal, records ...Record) []Ack {
	t.Helper()
	acks, err := j.Append(context.Background(), records)
	if err != nil {
		t.Fatal(err)
	}
	return acks
}

// readAll reads everything a journal holds, up to the first error.
func readAll(j *Journal) (records []Record, err error) {
	for _, f := range j.Journals() {
		for at := f.First; at < f.Length; {
			g, err := j.ReadGroup(f.ID, at)
			if err != nil {
				return records, err
			}
			records = append(records, g.Records...)
			at = g.End
		}
	}
	return records, nil
}

// sameRecords is quicker than cmp.Diff, which is for when they differ.
func sameRecords(a, b []Record) bool {
	return slices.EqualFunc(a, b, func(a, b Record) bool {
		return a.TenantRef == b.TenantRef && a.EventRef == b.EventRef && a.PayloadHash == b.PayloadHash &&
			bytes.Equal(a.Tenant, b.Tenant) && bytes.Equal(a.Payload, b.Payload)
	})
}

func mustReadAll(t *testing.T, j *Journal) []Record {
	t.Helper()
	records, err := readAll(j)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestAppendAndRead(t *testing.T) {
	m := disktest.New()
	j := mustOpen(t, m, testOptions())
	acks := mustAppend(t, j, testRecords(0, 5)...)
	acks = append(acks, mustAppend(t, j, testRecords(5, 6)...)...)
	if diff := cmp.Diff(testRecords(0, 6), mustReadAll(t, j)); diff != "" {
		t.Error(diff)
	}
	infos := j.Journals()
	if len(infos) != 1 || !infos[0].Live || infos[0].OpeningSize != 7 || infos[0].Directory != (indelible.ID{0xd1}) {
		t.Errorf("journals: %+v", infos)
	}
	for i, a := range acks {
		g, err := j.ReadGroup(a.Journal, a.Offset)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(testRecord(i), g.Records[a.Ordinal]); diff != "" || g.End != a.End || g.Root != a.Root {
			t.Errorf("record %d is not where its ack says: %s", i, diff)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	again := mustOpen(t, m, testOptions())
	if diff := cmp.Diff(testRecords(0, 6), mustReadAll(t, again)); diff != "" {
		t.Error(diff)
	}
	mustAppend(t, again, testRecord(6))
	if diff := cmp.Diff(testRecords(0, 7), mustReadAll(t, again)); diff != "" {
		t.Error(diff)
	}
	infos = again.Journals()
	if len(infos) != 2 || infos[0].Live || !infos[1].Live {
		t.Errorf("journals: %+v", infos)
	}
	if err := again.Trim(infos[0].ID); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]Record{testRecord(6)}, mustReadAll(t, again)); diff != "" {
		t.Error(diff)
	}
}

// The promise a receipt makes from an Ack verifies, for every place in groups
// of every shape.
func TestAcksMakeReceipts(t *testing.T) {
	j := mustOpen(t, disktest.New(), testOptions())
	logKey := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	writer := indelible.Endorse(logKey, "origin", indelible.ID{}, indelible.ID{}, publicKey(testKey), 1)
	for n := 1; n <= 20; n++ {
		for i, a := range mustAppend(t, j, testRecords(0, n)...) {
			r := testRecord(i)
			p := indelible.Promise{
				Origin: "origin", EventRef: r.EventRef, PayloadHash: r.PayloadHash,
				Journal: a.Journal, Group: a.Offset, Ordinal: a.Ordinal, Records: a.Records,
				Time: a.Time, MergeBy: a.Time + indelible.MergeWithin.Milliseconds(),
				Path: a.Path(), Signature: a.Signature, Writer: writer,
			}
			if err := p.Verify(publicKey(logKey)); err != nil {
				t.Errorf("record %d of %d: %v", i, n, err)
			}
		}
	}
}

func TestReadAtTheEndAndElsewhere(t *testing.T) {
	j := mustOpen(t, disktest.New(), testOptions())
	if _, err := j.ReadGroup(indelible.ID{1}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown journal: %v", err)
	}
	a := mustAppend(t, j, testRecord(0))[0]
	if _, err := j.ReadGroup(a.Journal, a.End); err != io.EOF {
		t.Errorf("behind the last group: %v", err)
	}
	var damage *DamageError
	if _, err := j.ReadGroup(a.Journal, a.Offset+1); !errors.As(err, &damage) {
		t.Errorf("between groups: %v", err)
	}
}
