package indelible

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
)

// Writer is a writer key and the log key's word that it may write this log.
// Every data directory has its own.
type Writer struct {
	Directory ID        `json:"directory"`
	Epoch     uint64    `json:"epoch"` // the first epoch the key may sign in
	Key       PublicKey `json:"writer_key"`
	Signature Signature `json:"signature"`
}

// Endorse signs a writer key with the log key.
func Endorse(logKey ed25519.PrivateKey, origin string, logID, directory ID, writer PublicKey, epoch uint64) Writer {
	w := Writer{Directory: directory, Epoch: epoch, Key: writer}
	copy(w.Signature[:], ed25519.Sign(logKey, w.message(origin, logID)))
	return w
}

// Verify checks the endorsement against the log key.
func (w *Writer) Verify(logKey PublicKey, origin string, logID ID) error {
	if !ed25519.Verify(logKey[:], w.message(origin, logID), w.Signature[:]) {
		return errors.New("writer key is not endorsed by the log key")
	}
	return nil
}

func (w *Writer) message(origin string, logID ID) []byte {
	m := []byte("\xffindelible/v1/writer-key\x00")
	m = binary.BigEndian.AppendUint16(m, uint16(len(origin)))
	m = append(m, origin...)
	m = append(m, logID[:]...)
	m = append(m, w.Key[:]...)
	m = append(m, w.Directory[:]...)
	return binary.BigEndian.AppendUint64(m, w.Epoch)
}

// SegmentMessage is what a writer key signs for a segment.
func SegmentMessage(segment Hash) []byte {
	return append([]byte("\xffindelible/v1/segment\x00"), segment[:]...)
}

// ReceiptMessage is what a writer key signs for an fsync group of the journal.
func ReceiptMessage(logID, journal ID, group uint64, unixMilli int64, root Hash) []byte {
	m := []byte("\xffindelible/v1/receipt\x00")
	m = append(m, logID[:]...)
	m = append(m, journal[:]...)
	m = binary.BigEndian.AppendUint64(m, group)
	m = binary.BigEndian.AppendUint64(m, uint64(unixMilli))
	return append(m, root[:]...)
}
