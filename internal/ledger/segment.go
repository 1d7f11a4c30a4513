package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"indelible"
)

const (
	segmentMagic  = "INSG"
	segmentFixed  = 276 // header bytes before the voids
	segmentFooter = indelible.HashSize + ed25519.SignatureSize
	voidSize      = 8 + indelible.HashSize

	// MaxSegment is the largest segment in bytes.
	MaxSegment = 48 << 20
)

// Void is a slot of the log's end that held something that is not ours.
type Void struct {
	Seq    uint64
	SHA256 indelible.Hash
}

// Segment is one commit: docs/format.md, Segment.
type Segment struct {
	Seq, Epoch       uint64
	LogID            indelible.ID
	Writer           indelible.PublicKey
	Nonce            [16]byte
	Time             int64
	OldSize, NewSize uint64
	OldRoot, NewRoot indelible.Hash
	Previous         indelible.Hash
	Journal          indelible.ID
	JournalPosition  uint64
	JournalHash      indelible.Hash
	Voids            []Void

	Leaves   []byte // NewSize−OldSize encoded leaves
	Payloads [][]byte

	// Of a decoded or sealed segment.
	Hash      indelible.Hash
	Signature indelible.Signature
	size      int // of header, leaves and trailer
}

// Count is the number of leaves.
func (s *Segment) Count() int { return len(s.Leaves) / indelible.LeafSize }

// Leaf returns the bytes of leaf i of the segment.
func (s *Segment) Leaf(i int) []byte {
	return s.Leaves[i*indelible.LeafSize : (i+1)*indelible.LeafSize]
}

// Seal encodes and signs the segment and sets Hash and Signature.
func (s *Segment) Seal(writer ed25519.PrivateKey) []byte { return s.sealInto(nil, writer) }

// sealInto is Seal in the room of bytes that nobody needs any more.
func (s *Segment) sealInto(room []byte, writer ed25519.PrivateKey) []byte {
	size := s.headerSize() + len(s.Leaves) + segmentFooter
	for _, p := range s.Payloads {
		size += len(p)
	}
	b := slices.Grow(room[:0], size)
	b = indelible.AppendPrefix(b, segmentMagic)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(s.headerSize()))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Count()))
	b = binary.BigEndian.AppendUint64(b, s.Seq)
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = append(b, s.LogID[:]...)
	b = append(b, s.Writer[:]...)
	b = append(b, s.Nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Time))
	b = binary.BigEndian.AppendUint64(b, s.OldSize)
	b = append(b, s.OldRoot[:]...)
	b = binary.BigEndian.AppendUint64(b, s.NewSize)
	b = append(b, s.NewRoot[:]...)
	b = append(b, s.Previous[:]...)
	b = append(b, s.Journal[:]...)
	b = binary.BigEndian.AppendUint64(b, s.JournalPosition)
	b = append(b, s.JournalHash[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Voids)))
	for _, v := range s.Voids {
		b = binary.BigEndian.AppendUint64(b, v.Seq)
		b = append(b, v.SHA256[:]...)
	}
	for _, p := range s.Payloads {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
	}
	b = append(b, 0, 0)
	b = append(b, s.Leaves...)
	s.Hash = sha256.Sum256(b)
	copy(s.Signature[:], ed25519.Sign(writer, indelible.SegmentMessage(s.Hash)))
	b = append(b, s.Hash[:]...)
	b = append(b, s.Signature[:]...)
	for _, p := range s.Payloads {
		b = append(b, p...)
	}
	return b
}

func (s *Segment) headerSize() int {
	return segmentFixed + len(s.Voids)*voidSize + len(s.Payloads)*4 + 2
}

var errSegmentShort = errors.New("segment: cut short")

// DecodeSegment parses a segment and checks its hash and signature against the
// writer key it names, its leaves' form and its lengths. It does not check who
// that writer is, where the segment stands, or the payloads. With
// ErrCriticalField, which is found last, the segment comes without payloads.
// Leaves and payloads are slices of b.
func DecodeSegment(b []byte) (*Segment, error) {
	s, lengths, err := decodeSegment(b)
	if err != nil {
		return s, err
	}
	n := s.Count()
	rest := b[s.size:]
	s.Payloads = make([][]byte, n)
	for i := range s.Payloads {
		size := int(binary.BigEndian.Uint32(b[lengths+4*i:]))
		if size > indelible.MaxPayload || size > len(rest) {
			return nil, fmt.Errorf("segment: payload %d does not fit", i)
		}
		s.Payloads[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("segment: %d bytes left over", len(rest))
	}
	return s, nil
}

// decodeSegment reads all but the payloads, and returns where in the header
// their lengths stand.
func decodeSegment(b []byte) (s *Segment, lengths int, err error) {
	s, header, lengths, critical := decodeSegmentHeader(b)
	if s == nil {
		return nil, 0, critical
	}
	end := header + int(s.NewSize-s.OldSize)*indelible.LeafSize
	s.size = end + segmentFooter
	if len(b) < s.size {
		return nil, 0, errSegmentShort
	}
	s.Leaves = b[header:end:end]
	s.Hash = sha256.Sum256(b[:end])
	if !bytes.Equal(s.Hash[:], b[end:end+indelible.HashSize]) {
		return nil, 0, errors.New("segment: header or leaves do not match the segment's hash")
	}
	copy(s.Signature[:], b[end+indelible.HashSize:])
	if !ed25519.Verify(s.Writer[:], indelible.SegmentMessage(s.Hash), s.Signature[:]) {
		return nil, 0, errors.New("segment: signature does not verify")
	}
	return s, lengths, critical
}

// decodeSegmentHeader reads the header and returns its length and where in it
// the payload lengths stand. It believes what it reads; DecodeSegment and the
// replay check it.
func decodeSegmentHeader(b []byte) (s *Segment, header, lengths int, err error) {
	if err := indelible.CheckPrefix("segment", segmentMagic, b); err != nil {
		return nil, 0, 0, err
	}
	if len(b) > MaxSegment {
		return nil, 0, 0, fmt.Errorf("segment: %d bytes, limit %d", len(b), MaxSegment)
	}
	if len(b) < segmentFixed+2 {
		return nil, 0, 0, errSegmentShort
	}
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	s = &Segment{Seq: u64(16), Epoch: u64(24), Time: int64(u64(96)), OldSize: u64(104), NewSize: u64(144), JournalPosition: u64(232)}
	copy(s.LogID[:], b[32:])
	copy(s.Writer[:], b[48:])
	copy(s.Nonce[:], b[80:])
	copy(s.OldRoot[:], b[112:])
	copy(s.NewRoot[:], b[152:])
	copy(s.Previous[:], b[184:])
	copy(s.Journal[:], b[216:])
	copy(s.JournalHash[:], b[240:])
	size, n, voids := uint64(binary.BigEndian.Uint32(b[8:])), uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[272:]))
	switch {
	case b[6] != 0 || b[7] != 0:
		return nil, 0, 0, errors.New("segment: reserved bytes are not zero")
	case s.NewSize-s.OldSize != n || s.NewSize < s.OldSize || s.NewSize > 1<<62 || s.Time < 0:
		return nil, 0, 0, errors.New("segment: sizes or time out of range")
	case n*indelible.LeafSize > MaxSegment || voids*voidSize > MaxSegment:
		return nil, 0, 0, errors.New("segment: more leaves or voids than a segment can hold")
	case size < segmentFixed+voids*voidSize+4*n+2 || size > uint64(len(b)):
		return nil, 0, 0, errSegmentShort
	}
	at := segmentFixed
	for range voids {
		v := Void{Seq: u64(at)}
		copy(v.SHA256[:], b[at+8:])
		s.Voids = append(s.Voids, v)
		at += voidSize
	}
	lengths = at
	err = indelible.CheckExtensions("segment", b[at+4*int(n):size])
	if err != nil && !errors.Is(err, indelible.ErrCriticalField) {
		return nil, 0, 0, err
	}
	return s, int(size), lengths, err
}
