package seal

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"

	"indelible"
)

// numbering makes the ids of data keys. To everybody else they are random bytes;
// to the key store they are a row's number, beside eight bytes that are random,
// under a block cipher. So new keys stand together at the end of the file, no
// index over ids has to be kept, and a store that counts again after it was
// restored gives no id twice.
type numbering struct {
	cipher    cipher.Block
	next, end int64 // rows that are this process's to fill
}

// numberBlock is how many rows a process takes at a time: another one that makes
// keys beside it, for another purpose, takes others.
const numberBlock = 1 << 20

// draw gives the next row and its id.
func (n *numbering) draw(ctx context.Context, db *sql.DB) (no int64, id indelible.ID, err error) {
	if n.next == n.end {
		if err := db.QueryRowContext(ctx, `UPDATE meta SET value = value + ? WHERE name = 'next_no' RETURNING value`, numberBlock).Scan(&n.end); err != nil {
			return 0, id, fmt.Errorf("number a new key: %w", err)
		}
		n.next = n.end - numberBlock
	}
	no = n.next
	n.next++
	binary.BigEndian.PutUint64(id[:], uint64(no))
	rand.Read(id[8:])
	n.cipher.Encrypt(id[:], id[:])
	return no, id, nil
}

// row is where a key with this id stands, if it is one of this store.
func (n *numbering) row(id indelible.ID) int64 {
	n.cipher.Decrypt(id[:], id[:])
	return int64(binary.BigEndian.Uint64(id[:]))
}
