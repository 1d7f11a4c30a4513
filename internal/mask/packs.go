package mask

import (
	"bytes"
	"fmt"
	"slices"
)

// Packs of national numbers, which are off until a policy enables them: their
// shapes are those of many other numbers. Each number says by what authority it
// has its form. What has one check digit and nothing else needs a word beside it
// or in the name of its field.

// packs are those that are enabled, a bit each in the order of packNames.
type packs uint32

// A national is a kind of number.
type national struct {
	pack  string
	name  string
	typ   Type
	valid func(b []byte) bool // of the number without separators, in capitals
	sizes []int               // its lengths
	words []string            // one must be near, unless it stands alone
	alone func(b []byte, groups []int, sep byte) bool
}

var nationals = []national{
	{"australia", "tfn", NationalID, tfn, []int{9}, []string{"tfn", "tax"}, nil},                                                                            // Australian Taxation Office
	{"australia", "abn", NationalID, abn, []int{11}, []string{"abn", "business"}, nil},                                                                      // Australian Business Register, format of the ABN
	{"bank", "aba", Account, aba, []int{9}, []string{"aba", "routing", "rtn", "transit"}, nil},                                                              // Federal Reserve, ranges and check digit of routing numbers
	{"bank", "bic", Account, bic, []int{8, 11}, []string{"bic", "swift"}, nil},                                                                              // ISO 9362
	{"brazil", "cpf", NationalID, cpf, []int{11}, []string{"cpf"}, shaped('-', 3, 3, 3, 2)},                                                                 // Receita Federal
	{"brazil", "cnpj", NationalID, cnpj, []int{14}, []string{"cnpj"}, shaped('-', 2, 3, 3, 4, 2)},                                                           // Receita Federal
	{"canada", "sin", NationalID, sin, []int{9}, []string{"sin", "insurance"}, nil},                                                                         // Service Canada
	{"china", "resident-id", NationalID, residentID, []int{18}, nil, always},                                                                                // GB 11643-1999
	{"france", "nir", NationalID, nir, []int{15}, nil, always},                                                                                              // INSEE
	{"germany", "steuer-id", NationalID, steuerID, []int{11}, []string{"steuer", "idnr", "tin", "tax", "steuernummer", "steueridentifikationsnummer"}, nil}, // Bundeszentralamt für Steuern
	{"india", "aadhaar", NationalID, aadhaar, []int{12}, []string{"aadhaar", "aadhar", "uidai", "uid"}, shaped(' ', 4, 4, 4)},                               // UIDAI
	{"india", "pan", NationalID, pan, []int{10}, []string{"pan", "tax"}, nil},                                                                               // Income Tax Department
	{"italy", "codice-fiscale", NationalID, codiceFiscale, []int{16}, nil, always},                                                                          // DM 23/12/1976
	{"korea", "rrn", NationalID, rrn, []int{13}, []string{"rrn", "resident"}, shaped('-', 6, 7)},                                                            // Korea, Ministry of the Interior; numbers given out since October 2020 have no check digit and are not found
	{"netherlands", "bsn", NationalID, bsn, []int{9}, []string{"bsn", "burgerservicenummer", "sofinummer"}, nil},                                            // Rijksdienst voor Identiteitsgegevens, elfproef
	{"poland", "pesel", NationalID, pesel, []int{11}, []string{"pesel"}, nil},                                                                               // Ministerstwo Cyfryzacji
	{"spain", "dni", NationalID, dni, []int{9}, []string{"dni", "nif", "nie"}, nil},                                                                         // Ministerio del Interior
	{"sweden", "personnummer", NationalID, personnummer, []int{10, 12}, []string{"personnummer", "personnr", "pnr", "samordningsnummer"}, nil},              // SKV 704
	{"uk", "nhs", NationalID, nhs, []int{10}, []string{"nhs"}, nil},                                                                                         // NHS Data Dictionary
	{"uk", "utr", NationalID, utr, []int{10}, []string{"utr", "taxpayer"}, nil},                                                                             // HMRC, unique taxpayer reference
	{"uk", "nino", NationalID, nino, []int{9}, []string{"nino", "ni", "insurance"}, shaped(' ', 2, 2, 2, 2, 1)},                                             // HMRC NIM39110
	{"us", "itin", NationalID, itin, []int{9}, []string{"itin", "taxpayer"}, shaped('-', 3, 2, 4)},                                                          // IRS
	{"us", "ein", NationalID, ein, []int{9}, []string{"ein", "fein", "employer"}, nil},                                                                      // IRS, valid EIN prefixes
	{"us", "npi", NationalID, npi, []int{10}, []string{"npi", "provider"}, nil},                                                                             // CMS
	{"us", "mbi", NationalID, mbi, []int{11}, nil, always},                                                                                                  // CMS, MBI format
	{"vehicle", "vin", "VEHICLE_ID", vin, []int{17}, []string{"vin", "vehicle", "chassis"}, nil},                                                            // ISO 3779, 49 CFR 565
}

func always([]byte, []int, byte) bool { return true }

// shaped: the number stands in these groups, with this separator at the end.
func shaped(last byte, groups ...int) func([]byte, []int, byte) bool {
	return func(_ []byte, g []int, sep byte) bool { return sep == last && slices.Equal(g, groups) }
}

// Packs names the packs there are.
func Packs() []string {
	var names []string
	for _, n := range nationals {
		if !slices.Contains(names, n.pack) {
			names = append(names, n.pack)
		}
	}
	return names
}

func packsOf(names []string) (packs, error) {
	all := Packs()
	var p packs
	for _, n := range names {
		i := slices.Index(all, n)
		if i < 0 {
			return 0, fmt.Errorf("unknown pack %q; there are %v", n, all)
		}
		p |= 1 << i
	}
	return p, nil
}

// enabled are the numbers of the packs.
func (p packs) enabled() []national {
	var list []national
	for i, name := range Packs() {
		for _, n := range nationals {
			if p&(1<<i) != 0 && n.pack == name {
				list = append(list, n)
			}
		}
	}
	return list
}

// national looks for the numbers of the packs from start on: the longest one
// that begins there.
func (s *Scanner) national(b []byte, start int) int {
	if c := at(b, start-1); class[c]&word != 0 || (c == '-' || c == '.' || c == '/') && classAt(b, start-2)&word != 0 {
		return 0
	}
	var text [24]byte
	var groups [8]int
	n, g, found := 0, 0, 0
	sep := byte(0)
	for i := start; g < len(groups); {
		from := i
		for i < len(b) && class[b[i]]&(digit|letter) != 0 {
			if n == len(text) {
				return found
			}
			text[n] = b[i]
			if class[b[i]] == lower {
				text[n] &^= 0x20
			}
			n++
			i++
		}
		if i == from {
			break
		}
		groups[g] = i - from
		g++
		if classAt(b, i)&word == 0 {
			if rest := classAt(b, i+1)&word != 0 && (at(b, i) == '-' || at(b, i) == '.' || at(b, i) == '/'); !rest {
				if s.nationalOf(b, text[:n], groups[:g], sep, start, i) {
					found = i
				}
			}
		}
		c := at(b, i)
		if c != ' ' && c != '-' && c != '.' && c != '/' {
			break
		}
		sep = c
		i++
	}
	return found
}

func (s *Scanner) nationalOf(b, text []byte, groups []int, sep byte, start, end int) bool {
	for i := range s.nationals {
		n := &s.nationals[i]
		if !slices.Contains(n.sizes, len(text)) || !n.valid(text) {
			continue
		}
		how := Validated
		if n.alone == nil || !n.alone(text, groups, sep) {
			if !s.near(b, start, end, n.words) {
				continue
			}
			how = Context
		}
		// A longer one that begins here takes the place of a shorter.
		if k := len(s.found); k > 0 && s.found[k-1].Start == start {
			s.found = s.found[:k-1]
		}
		s.add(n.typ, n.name, how, start, end)
		return true
	}
	return false
}

// near reports whether one of the words stands near the place, or in the name
// of its field.
func (s *Scanner) near(b []byte, start, end int, words []string) bool {
	return hasWord(b[max(0, start-wordsBefore):start], words) || hasWord([]byte(s.field.words), words) || hasWord(b[end:min(len(b), end+wordsAfter)], words)
}

func hasWord(b []byte, words []string) bool {
	for len(b) > 0 {
		i := bytes.IndexFunc(b, isLetter)
		if i < 0 {
			return false
		}
		b = b[i:]
		end := bytes.IndexFunc(b, func(r rune) bool { return !isLetter(r) })
		if end < 0 {
			end = len(b)
		}
		if end <= 32 && slices.Contains(words, string(bytes.ToLower(b[:end]))) {
			return true
		}
		b = b[end:]
	}
	return false
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 }
