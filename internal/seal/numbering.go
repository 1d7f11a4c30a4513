package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"indelible"
)

// numbering makes the ids of data keys. To everybody else they are random bytes;
// to the key store they are a row's number, beside eight bytes that are random,
// under a block cipher. So new keys stand together at the end of the file, no
// index over ids has to be kept, and a store that counts again after it was
// restored gives no id twice.
type numbering struct {
	cipher cipher.Block
	next   int64
}

func newNumbering(key []byte, last int64) (numbering, error) {
	block, err := aes.NewCipher(key)
	return numbering{block, last + 1}, err
}

// draw gives the next row and its id.
func (n *numbering) draw() (no int64, id indelible.ID) {
	no = n.next
	n.next++
	binary.BigEndian.PutUint64(id[:], uint64(no))
	rand.Read(id[8:])
	n.cipher.Encrypt(id[:], id[:])
	return no, id
}

// row is where a key with this id stands, if it is one of this store.
func (n *numbering) row(id indelible.ID) int64 {
	n.cipher.Decrypt(id[:], id[:])
	return int64(binary.BigEndian.Uint64(id[:]))
}
