package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"indelible/internal/mask/nfc"
)

// replacement appends what stands for a finding.
func (m *Masker) replacement(dst []byte, t Type, a Action, text []byte) []byte {
	dst = append(append(dst, '['), t...)
	switch a {
	case Partial:
		dst = append(append(dst, ":*"...), lastFour(text)...)
	case Pseudonym:
		compared := normal(t, text, m.policy.region())
		token := pseudonym(m.opt.Key, t, compared)
		if m.opt.Suppressed == nil || !m.opt.Suppressed(Identity{t, token, string(text), compared}) {
			dst = append(append(dst, ':'), token...)
		}
	case Generalise:
		if g := general(t, text, m.policy.region()); g != "" {
			dst = append(append(dst, ':'), g...)
		}
	case Shift:
		dst = m.shift(dst, text)
	}
	return append(dst, ']')
}

// lastFour are the last four letters or digits of what has at least twice as
// many.
func lastFour(text []byte) []byte {
	var plain []byte
	for _, c := range text {
		if class[c]&(digit|letter) != 0 {
			plain = append(plain, c)
		}
	}
	if len(plain) < 8 {
		return nil
	}
	return plain[len(plain)-4:]
}

// pseudonym is the beginning of HMAC-SHA-256(key, type, 0, value), base 32:
// 128 bits, of which nobody without the key learns anything.
func pseudonym(key []byte, t Type, compared string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(t))
	mac.Write([]byte{0})
	mac.Write([]byte(compared))
	return base32Lower.EncodeToString(mac.Sum(nil)[:16])
}

// TokenOf is the pseudonym of a value under a key, without the brackets: what
// erasing a person puts on the list of suppressed tokens.
func TokenOf(key []byte, p *Policy, t Type, value string) string {
	return pseudonym(key, t, normal(t, []byte(value), p.region()))
}

// emailSigns are those that are read percent-encoded in addresses.
var emailSigns = strings.NewReplacer("%40", "@", "%2b", "+", "%2d", "-", "%2e", ".", "%5f", "_")

// normal writes a value the one way it is compared: disguises folded, NFC,
// e-mail and names without regard to case, phones in E.164, numbers without
// separators, addresses in their canonical form.
func normal(t Type, text []byte, region string) string {
	var f folder
	plain, _ := f.fold(text)
	v := strings.TrimSpace(nfc.String(string(plain)))
	switch t {
	case Email:
		return emailSigns.Replace(strings.ToLower(v))
	case Person:
		return strings.ToLower(strings.Join(strings.Fields(v), " "))
	case Phone:
		return normalPhone(v, region)
	case Card, IBAN, SSN, Account, NationalID:
		return strings.ToUpper(strings.Map(func(r rune) rune {
			if r == ' ' || r == '-' || r == '.' || r == '/' {
				return -1
			}
			return r
		}, v))
	case IP:
		if a, err := netip.ParseAddr(v); err == nil {
			return a.Unmap().String()
		}
	}
	return v
}

// general is a value made coarser, or nothing where there is no way to.
func general(t Type, text []byte, region string) string {
	var f folder
	plain, _ := f.fold(text)
	v := string(plain)
	switch t {
	case IP:
		a, err := netip.ParseAddr(v)
		if err != nil {
			return ""
		}
		a = a.Unmap().WithZone("")
		bits := 48
		if a.Is4() {
			bits = 24
		}
		p, err := a.Prefix(bits)
		if err != nil {
			return ""
		}
		return p.String()
	case Date, BirthDate:
		if d, ok := readDay(plain, region); ok {
			return d.Format("2006-01")
		}
	case Age:
		if n, err := strconv.Atoi(v); err == nil && n >= 0 && n < 150 {
			return strconv.Itoa(n/10*10) + "-" + strconv.Itoa(n/10*10+9)
		}
	}
	return ""
}

// shift appends a date as it is for the record's person: of what has a year, a
// month and a day those are shifted, a time and a day of the week stay. Other
// dates, and those of nobody, are left out.
func (m *Masker) shift(dst, text []byte) []byte {
	if m.weeks == 0 {
		return dst
	}
	var f folder
	plain, _ := f.fold(text)
	from := len(dst)
	dst = append(dst, ":~"...)
	if d, ok := readDay(plain, m.policy.region()); ok {
		dst = d.shift(dst, plain, m.weeks)
	} else if isClock(plain) || weekdays[lowered(plain)] {
		dst = append(dst, plain...)
	}
	if rest := dst[from+1:]; len(rest) >= maxRest || !isShifted(rest) {
		return dst[:from]
	}
	return dst
}

// isShifted reports whether a token's rest is one that shift makes.
func isShifted(b []byte) bool {
	if len(b) < 2 || b[0] != '~' {
		return false
	}
	b = b[1:]
	d, ok := readDay(b, "US")
	if !ok {
		d, ok = readDay(b, "")
	}
	return ok && (d.end == len(b) || (b[d.end]|0x20 == 't' || b[d.end] == ' ') && isClock(b[d.end+1:])) || isClock(b) || weekdays[lowered(b)]
}

func isClock(b []byte) bool { return len(b) > 0 && class[b[0]] == digit && clock(b, 0) == len(b) }

// isGeneral reports whether a token's rest is one that general makes.
func isGeneral(b []byte) bool {
	v := string(b)
	if p, err := netip.ParsePrefix(v); err == nil {
		return p == p.Masked() && (p.Addr().Is4() && p.Bits() == 24 || p.Addr().Is6() && p.Bits() == 48)
	}
	if _, err := time.Parse("2006-01", v); err == nil {
		return true
	}
	low, high, ok := strings.Cut(v, "-")
	l, err1 := strconv.Atoi(low)
	h, err2 := strconv.Atoi(high)
	return ok && err1 == nil && err2 == nil && l%10 == 0 && h == l+9 && h < 160
}
