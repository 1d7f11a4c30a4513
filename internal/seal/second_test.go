package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// secondOpen opens a sealed payload as docs/format.md says, with nothing but the
// standard library: none of the code under test. key gives a data key by its id.
func secondOpen(payload []byte, origin string, key func(id []byte) []byte) (contents [][]byte, err error) {
	header := payload[4 : 4+binary.BigEndian.Uint32(payload)]
	rest := payload[4+len(header):]
	if string(header[:6]) != "INPH\x01\x01" || header[7] != 0 {
		return nil, errors.New("not a payload")
	}
	named := append([]byte{byte(len(origin) >> 8), byte(len(origin))}, origin...)
	bound := sha256.Sum256(append(append([]byte{}, named...), header...))
	at := header[40:]
	var ids [][]byte
	for i := range int(header[6]) {
		description := at[:8]
		commitment := at[8:40]
		id := at[40 : 40+int(description[3])]
		at = at[40+len(id):]
		if i > 0 {
			id = ids[i-1]
		}
		if description[1] != 2 {
			return nil, errors.New("another algorithm")
		}
		stored := rest[:binary.BigEndian.Uint32(description[4:])]
		rest = rest[len(stored):]
		info := append(append([]byte("indelible/v1 part\x00"), named...), byte(i))
		keys, err := hkdf.Key(sha256.New, key(id), header[8:40], string(info), 64)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(keys[:32])
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		padded, err := gcm.Open(nil, make([]byte, 12), stored, append(bound[:], byte(i)))
		if err != nil {
			return nil, err
		}
		n := len(padded)
		for n > 0 && padded[n-1] == 0 {
			n--
		}
		if n == 0 {
			return nil, errors.New("nothing but zeros")
		}
		e := bits.Len(uint(n)) - 1
		s := bits.Len(uint(e))
		unit := 1 << (e - s)
		if want := (n + unit - 1) / unit * unit; want != len(padded) {
			return nil, fmt.Errorf("padded to %d, want %d", len(padded), want)
		}
		content := padded[:n]
		m := hmac.New(sha256.New, keys[32:])
		m.Write(content)
		if !hmac.Equal(m.Sum(nil), commitment) {
			return nil, errors.New("another content was committed to")
		}
		if i == 0 {
			for range int(header[6]) - 1 {
				if len(content) < 16 {
					return nil, errors.New("a key is not named")
				}
				ids, content = append(ids, content[:16]), content[16:]
			}
		}
		contents = append(contents, content)
	}
	if len(rest) != 0 {
		return nil, errors.New("left over")
	}
	return contents, nil
}
