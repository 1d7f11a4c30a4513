package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"indelible"

	"github.com/google/go-cmp/cmp"
)

var testID = indelible.ID{0: 0xaa, 15: 0x55}

// buildFile makes a journal file without a Journal, so that the bytes on disk
// are judged by a second writer.
func buildFile(groups ...[]Record) []byte {
	h := fileHeader{id: testID, size: 7, created: 1_700_000_000_000, directory: indelible.ID{0xd1}}
	out := h.encode()
	prev := indelible.Hash(sum(out))
	for _, records := range groups {
		prev, out = appendGroup(out, prev, records)
	}
	return out
}

func appendGroup(out []byte, prev indelible.Hash, records []Record) (indelible.Hash, []byte) {
	var body []byte
	t := newTree(len(records))
	for i := range records {
		body = records[i].append(body)
		t.nodes[i] = indelible.RecordHash(records[i].EventRef, records[i].PayloadHash, uint32(i))
	}
	t.build(new(hasher))
	g := groupHeader{
		id: testID, offset: uint64(len(out)), length: uint32(len(body)), records: uint32(len(records)), time: 1_700_000_000_000,
		prev: prev, root: t.root(), bodyCRC: crc32.Checksum(body, castagnoli),
	}
	sig, _ := testSigner(g.root, testID, g.offset, g.time)
	g.signature = sig
	header := make([]byte, groupHeaderSize)
	hash := g.encode(header)
	return hash, append(append(out, header...), body...)
}

// The example in docs/format.md, byte for byte.
func TestGoldenFile(t *testing.T) {
	text, err := os.ReadFile("testdata/example.hex")
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	got := buildFile(testRecords(0, 2), testRecords(2, 3))
	if diff := cmp.Diff(hex.Dump(want), hex.Dump(got)); diff != "" {
		t.Error(diff)
	}
	s, err := scanFile(bytes.NewReader(want), testID, uint64(len(want)), nil)
	if err != nil || s.length != uint64(len(want)) || len(s.damage) != 0 {
		t.Errorf("the example does not scan: %+v, %v", s, err)
	}
}

func TestHeadersOfOtherVersions(t *testing.T) {
	h := fileHeader{id: testID}
	b := h.encode()
	b[4] = 2
	var bad badBytes
	if _, err := decodeFileHeader(b); !errors.As(err, &bad) {
		t.Errorf("a flipped bit in the version: %v", err)
	}
	b = appendCRC(b[:fileHeaderSize-4])
	if _, err := decodeFileHeader(b); !errors.Is(err, indelible.ErrNewerFormat) {
		t.Errorf("a newer version: %v", err)
	}
	b = h.encode()
	b[6] = 1
	if _, err := decodeFileHeader(appendCRC(b[:fileHeaderSize-4])); !errors.As(err, &bad) {
		t.Errorf("an unknown flag: %v", err)
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	r := testRecord(1)
	good := r.append(nil)
	for name, change := range map[string]func(b []byte) []byte{
		"cut":               func(b []byte) []byte { return b[:len(b)-1] },
		"no length":         func(b []byte) []byte { return b[:3] },
		"shorter than that": func(b []byte) []byte { b[2], b[3] = 0, 10; return b },
		"huge":              func(b []byte) []byte { b[0] = 0xff; return b },
		"huge tenant":       func(b []byte) []byte { b[68] = 0xff; return b },
	} {
		var got Record
		if _, err := decodeRecord(&got, change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := decodeBody(append(bytes.Clone(good), 0), 1); err == nil {
		t.Error("a byte left over: accepted")
	}
}
