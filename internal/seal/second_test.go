package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
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
	var ids []string
	for i := range int(header[6]) {
		description := at[:8]
		commitment := at[8:40]
		id := at[40 : 40+int(description[3])]
		at = at[40+len(id):]
		if i > 0 {
			if id, err = hex.DecodeString(ids[i-1]); err != nil {
				return nil, err
			}
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
		padded, err := gcm.Open(nil, stored[:12], stored[12:], append(bound[:], byte(i)))
		if err != nil {
			return nil, err
		}
		n := int(binary.BigEndian.Uint32(padded))
		l := n + 4
		e := bits.Len(uint(l)) - 1
		s := bits.Len(uint(e))
		unit := 1 << (e - s)
		if want := (l + unit - 1) / unit * unit; want != len(padded) {
			return nil, fmt.Errorf("padded to %d, want %d", len(padded), want)
		}
		content := padded[4 : 4+n]
		m := hmac.New(sha256.New, keys[32:])
		m.Write(content)
		if !hmac.Equal(m.Sum(nil), commitment) {
			return nil, errors.New("another content was committed to")
		}
		if i == 0 && header[6] > 1 {
			var members struct{ Keys []string }
			if err := json.Unmarshal(content, &members); err != nil {
				return nil, err
			}
			ids = members.Keys
		}
		contents = append(contents, content)
	}
	if len(rest) != 0 {
		return nil, errors.New("left over")
	}
	return contents, nil
}
