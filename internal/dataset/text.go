package dataset

import (
	"encoding/binary"
	"errors"
	"strconv"
	"unicode/utf8"
)

var errText = errors.New("not valid UTF-8")

// appendString appends text as a JSON string. Only what JSON asks for is
// escaped: quote, backslash and control characters.
func appendString(dst, s []byte) ([]byte, error) {
	dst = append(dst, '"')
	from, ascii := 0, true
	for i := 0; ; i++ {
		i = skipPlain(s, i)
		if i >= len(s) {
			break
		}
		b := s[i]
		if b >= utf8.RuneSelf {
			ascii = false
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', '0'+b>>4, "0123456789abcdef"[b&15])
		}
	}
	if !ascii && !utf8.Valid(s) {
		return dst, errText
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"'), nil
}

// skipPlain returns the first index from i on whose byte is not ASCII that
// stands for itself in a JSON string. It looks at eight bytes at a time.
func skipPlain(s []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A borrow can only raise false alarms above the first true one.
		if (w|(w-' '*ones)&^w|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// clock writes moments as RFC 3339 in UTC. It remembers the day it wrote last:
// rows lie together in time.
type clock struct {
	day  int64
	date [11]byte // 2006-01-02T
	any  bool
}

const dayMicros = 24 * 60 * 60 * 1_000_000

// append writes the moment micros after 1970, between the years 1 and 9999,
// with a fraction of up to six digits without zeros at its end.
func (c *clock) append(dst []byte, micros int64) []byte {
	day := micros / dayMicros
	rest := micros % dayMicros
	if rest < 0 {
		day--
		rest += dayMicros
	}
	if day != c.day || !c.any {
		c.day, c.any = day, true
		year, month, d := civil(day)
		copy(c.date[:], []byte{
			byte('0' + year/1000), byte('0' + year/100%10), byte('0' + year/10%10), byte('0' + year%10), '-',
			byte('0' + month/10), byte('0' + month%10), '-', byte('0' + d/10), byte('0' + d%10), 'T',
		})
	}
	dst = append(dst, c.date[:]...)
	seconds := uint32(rest / 1_000_000)
	fraction := uint32(rest % 1_000_000)
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if fraction != 0 {
		digits := 6
		for fraction%10 == 0 {
			fraction /= 10
			digits--
		}
		dst = append(dst, ".000000"[:1+digits]...)
		for i := len(dst) - 1; fraction > 0; i-- {
			dst[i] = byte('0' + fraction%10)
			fraction /= 10
		}
	}
	return append(dst, 'Z')
}

// civil is the date of a day counted from 1970-01-01: years that begin in
// March make the leap day the last of its year, and 146,097 days are 400 years.
func civil(day int64) (year, month, d int64) {
	day += 719468
	era := day / 146097
	if day < 0 {
		era = (day - 146096) / 146097
	}
	doe := day - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	year, month, d = yoe+era*400, mp+3, doy-(153*mp+2)/5+1
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, d
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
