package mask

import (
	"bytes"
	"crypto/sha256"

	"indelible/internal/mask/keccak"
)

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58check checks a Bitcoin address: version 0 or 5, 20 bytes, and four
// bytes of a double SHA-256.
func base58check(text []byte) bool {
	var out [25]byte
	for _, c := range text {
		carry := bytes.IndexByte([]byte(base58), c)
		if carry < 0 {
			return false
		}
		for i := len(out) - 1; i >= 0; i-- {
			carry += int(out[i]) * 58
			out[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return false
		}
	}
	if out[0] != 0 && out[0] != 5 {
		return false
	}
	sum := sha256.Sum256(out[:21])
	sum = sha256.Sum256(sum[:])
	return bytes.Equal(sum[:4], out[21:])
}

const bech32Set = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 checks a segregated-witness address: prefix bc, tb or ltc and the
// checksum of BIP 173 or BIP 350.
func bech32(text []byte) bool {
	low := bytes.ToLower(text)
	if !bytes.Equal(low, text) && !bytes.Equal(bytes.ToUpper(text), text) {
		return false
	}
	one := bytes.IndexByte(low, '1')
	if one < 0 || len(low)-one-1 < 6 {
		return false
	}
	switch string(low[:one]) {
	case "bc", "tb", "ltc":
	default:
		return false
	}
	sum := uint32(1)
	put := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, c := range low[:one] {
		put(c >> 5)
	}
	put(0)
	for _, c := range low[:one] {
		put(c & 31)
	}
	for _, c := range low[one+1:] {
		v := bytes.IndexByte([]byte(bech32Set), c)
		if v < 0 {
			return false
		}
		put(byte(v))
	}
	return sum == 1 || sum == 0x2bc830a3
}

// ethereum looks at 0x and 40 hexadecimal digits: an address. In letters of both
// kinds they are its checksum (EIP-55); in letters of one kind, which hashes have,
// too, a word must say what it is.
func (s *Scanner) ethereum(b []byte, start, end int) bool {
	if b[start] != '0' || b[start+1] != 'x' {
		return false
	}
	var plain [40]byte
	var kind uint8
	for i, c := range b[start+2 : end] {
		if !isHex(c) {
			return false
		}
		kind |= class[c]
		if class[c] == upper {
			c |= 0x20
		}
		plain[i] = c
	}
	if kind&letter != letter {
		if !s.near(b, start, end, ethereumWords) {
			return false
		}
		s.add(Crypto, "ethereum", Context, start, end)
		return true
	}
	sum := keccak.Sum256(plain[:])
	for i, c := range b[start+2 : end] {
		if nibble := sum[i/2] >> (4 * (1 - i%2)) & 15; class[c]&letter != 0 && (class[c] == upper) != (nibble >= 8) {
			return false
		}
	}
	s.add(Crypto, "eip55", Validated, start, end)
	return true
}

var ethereumWords = []string{"eth", "ethereum", "wallet", "wallets", "erc", "metamask", "usdt", "usdc", "payee", "payout"}
