package masktest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// A Maker makes values up, the same for the same seed.
type Maker struct{ r *rand.Rand }

// NewMaker makes one.
func NewMaker(seed uint64) *Maker { return &Maker{rand.New(rand.NewPCG(seed, 1))} }

func (m *Maker) pick(list ...string) string { return list[m.r.IntN(len(list))] }

const (
	lowers = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
	hexes  = "0123456789abcdef"
	alnums = lowers + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
)

func (m *Maker) of(set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[m.r.IntN(len(set))]
	}
	return string(b)
}

var (
	firsts = []string{"bob", "amy", "carol", "dmitri", "jürgen", "sofia", "li", "fatima", "juan", "ingrid", "olu", "noor", "priya", "tom"}
	lasts  = []string{"smith", "o.neill", "mueller", "garcia", "chen", "okafor", "haddad", "larsen", "rossi", "novak", "patel", "kim"}
	hosts  = []string{"example.com", "mail.example.org", "acme.co.uk", "corp.internal.example", "gmail.com", "uni-muenchen.de", "posteo.net", "shop.example.io"}
)

// Email is an address.
func (m *Maker) Email() string {
	f, l := m.pick(firsts...), m.pick(lasts...)
	local := m.pick(f+"."+l, f+l, f+"_"+l, f+m.of(digits, 2), f+"+"+m.pick("jobs", "billing", "ci")+m.of(digits, 1), strings.ToUpper(f[:1])+f[1:]+"."+l)
	return local + "@" + m.pick(hosts...)
}

// Card is a payment card number, plain or in groups.
func (m *Maker) Card() string {
	prefix, n := "4", 16
	switch m.r.IntN(6) {
	case 0:
		prefix = m.pick("51", "52", "53", "54", "55", "2221", "2700")
	case 1:
		prefix, n = m.pick("34", "37"), 15
	case 2:
		prefix = m.pick("6011", "65", "644")
	case 3:
		prefix = m.pick("3528", "3589", "3566")
	}
	d := prefix + m.of(digits, n-len(prefix)-1)
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	d += string(rune('0' + (10-sum%10)%10))
	if m.r.IntN(2) == 0 {
		return d
	}
	sep := m.pick(" ", "-")
	if n == 15 {
		return d[:4] + sep + d[4:10] + sep + d[10:]
	}
	return d[:4] + sep + d[4:8] + sep + d[8:12] + sep + d[12:]
}

// IBAN is an account number with its check digits, plain or in fours.
func (m *Maker) IBAN() string {
	country, bban := "DE", m.of(digits, 18)
	switch m.r.IntN(5) {
	case 0:
		country, bban = "GB", strings.ToUpper(m.of(lowers, 4))+m.of(digits, 14)
	case 1:
		country, bban = "FR", m.of(digits, 23)
	case 2:
		country, bban = "NL", strings.ToUpper(m.of(lowers, 4))+m.of(digits, 10)
	case 3:
		country, bban = "CH", m.of(digits, 17)
	}
	rest := 0
	for _, c := range bban + country + "00" {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	iban := fmt.Sprintf("%s%02d%s", country, 98-rest, bban)
	if m.r.IntN(2) == 0 {
		return iban
	}
	var parts []string
	for len(iban) > 4 {
		parts, iban = append(parts, iban[:4]), iban[4:]
	}
	return strings.Join(append(parts, iban), " ")
}

// SSN is a social security number.
func (m *Maker) SSN() string {
	area := 1 + m.r.IntN(898)
	if area == 666 {
		area = 665
	}
	return fmt.Sprintf("%03d-%02d-%04d", area, 1+m.r.IntN(98), 1+m.r.IntN(9998))
}

// IP is an address of either version.
func (m *Maker) IP() string {
	if m.r.IntN(4) == 0 {
		var b [16]byte
		copy(b[:], []byte{0x20, 0x01, 0x0d, 0xb8})
		for i := 4; i < 16; i++ {
			if m.r.IntN(2) == 0 {
				b[i] = byte(m.r.IntN(256))
			}
		}
		return netip.AddrFrom16(b).String()
	}
	return fmt.Sprintf("%d.%d.%d.%d", 1+m.r.IntN(223), m.r.IntN(256), m.r.IntN(256), 1+m.r.IntN(254))
}

// Userinfo is what stands before the @ of a URL.
func (m *Maker) Userinfo() string {
	return m.pick("svc", "app", "root", "deploy", "reader", m.pick(firsts[:4]...)) + ":" + m.pick(m.of(alnums, 12), "p%40ss"+m.of(digits, 3), m.of(alnums, 6)+"!x", "hunter2")
}

// Secret is a token in a form its issuer documents, and its type.
func (m *Maker) Secret() (typ, value string) {
	base32 := "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	safe := alnums + "-_"
	switch m.r.IntN(24) {
	case 0:
		return "SECRET", m.pick("AKIA", "ASIA") + m.of(base32, 16)
	case 1:
		return "SECRET", "AIza" + m.of(safe, 34) + m.of(alnums, 1)
	case 2:
		return "TOKEN", m.pick("ghp_", "gho_", "ghs_", "ghu_") + m.of(alnums, 36)
	case 3:
		return "TOKEN", "github_pat_" + m.of(alnums, 22) + "_" + m.of(alnums, 59)
	case 4:
		return "TOKEN", "glpat-" + m.of(alnums, 20)
	case 5:
		return "TOKEN", "xoxb-" + m.of(digits, 12) + "-" + m.of(digits, 12) + "-" + m.of(alnums, 24)
	case 6:
		return "SECRET", m.pick("sk_live_", "sk_test_", "rk_live_") + m.of(alnums, 24)
	case 7:
		return "SECRET", "SG." + m.of(alnums, 22) + "." + m.of(alnums, 43)
	case 8:
		return "TOKEN", "npm_" + m.of(alnums, 36)
	case 9:
		return "TOKEN", "pypi-AgEIcHlwaS5vcmc" + m.of(safe, 129) + m.of(alnums, 1)
	case 10:
		return "TOKEN", "dop_v1_" + m.of(hexes, 64)
	case 11:
		return "TOKEN", "hvs." + m.of(safe, 90) + m.of(alnums, 1)
	case 12:
		return "SECRET", "sk-ant-api03-" + m.of(safe, 80) + m.of(alnums, 1)
	case 13:
		return "TOKEN", "hf_" + m.of(alnums, 34)
	case 14:
		return "TOKEN", "shpat_" + m.of(hexes, 32)
	case 15:
		return "TOKEN", "dapi" + m.of(hexes, 32)
	case 16:
		return "SECRET", "hooks.slack.com/services/T" + strings.ToUpper(m.of(lowers, 8)) + "/B" + strings.ToUpper(m.of(lowers, 8)) + "/" + m.of(alnums, 24)
	case 17:
		return "SECRET", "GOCSPX-" + m.of(safe, 27) + m.of(alnums, 1)
	case 18:
		return "PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\n" + m.of(alnums+"+/", 64) + "\n" + m.of(alnums, 40) + "==\n-----END RSA PRIVATE KEY-----"
	case 19:
		return "TOKEN", "glsa_" + m.of(alnums, 32) + "_" + m.of(hexes, 8)
	case 20:
		return "TOKEN", "dckr_pat_" + m.of(safe, 26) + m.of(alnums, 1)
	case 21:
		return "SECRET", "whsec_" + m.of(alnums, 32)
	case 22:
		return "SECRET", "rubygems_" + m.of(hexes, 48)
	}
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return "JWT", part(`{"alg":"RS256","typ":"JWT","kid":"`+m.of(hexes, 8)+`"}`) + "." + part(`{"sub":"`+m.of(digits, 8)+`","exp":1700000000}`) + "." + m.of(safe, 85) + m.of(alnums, 1)
}
