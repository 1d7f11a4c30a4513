package mask

// A topic is what a word beside a number says it is.
type topic uint16

const (
	aboutPhone topic = 1 << iota
	aboutCard
	aboutSSN
	aboutBank
	aboutBirth
	aboutAge
	aboutCode
	aboutExpiry
	aboutIP
	aboutVersion
	aboutOther // a number of something that is nobody's: an order, a build, a trace
	aboutTax
	aboutContact // of a person or of a record
)

var topics = func() map[string]topic {
	m := make(map[string]topic)
	for t, list := range map[topic][]string{
		aboutPhone: {"phone", "phones", "telephone", "tel", "mobile", "cell", "cellphone", "call", "calling", "called", "callback", "fax", "reach",
			"reached", "dial", "dialed", "dialled", "answering", "answer", "sms", "whatsapp", "ring", "msisdn", "handset", "hotline", "voicemail", "texted",
			"telefon", "handy", "mobil", "telefono", "téléphone", "phonenumber", "caller", "callers", "landline",
			"office", "phoned", "phoning", "calls", "texting", "dialing", "dialling", "ringing", "tél", "teléfono", "telefonnummer", "switchboard", "helpline",
			"handynummer", "mobilnummer", "mobilfunknummer", "rufnummer", "celular", "móvil", "movil", "portable", "telefone", "telefonu", "telefonem", "telefoon", "telefoonnummer", "gsm", "puhelin", "電話", "電話番号", "携帯", "телефон", "телефона",
			"anruf", "anrufen", "rückruf", "llamar", "llame", "appeler", "appelez", "rappeler", "ligar", "ligue", "chiamare", "telefonare", "bellen", "ringa",
			"ph", "tlf", "puh", "puhelinnumero", "numerosta", "numeroon", "soitti", "zadzwoń", "numer", "cep", "telefonunuz", "手机", "手机号", "电话", "전화", "휴대폰"},
		aboutContact: {"contact", "recipient", "recipients", "kontakt"},
		aboutCard: {"card", "cards", "creditcard", "credit", "debit", "visa", "mastercard", "amex", "maestro", "discover", "jcb", "diners", "pan", "cc", "ccn", "cardnumber",
			"payment", "charge", "charged", "unionpay", "chargeback", "kartennummer", "kreditkarte", "kreditkartennummer", "karte", "carte", "tarjeta", "cartão", "cartao", "kaart", "kreditkort", "kortnummer", "karta", "karty", "カード"},
		aboutSSN:     {"ssn", "ssns", "social", "security", "socialsecurity"},
		aboutBank:    {"iban", "account", "bank", "acct", "routing", "aba", "sort"},
		aboutBirth:   {"birth", "born", "dob", "birthday", "birthdate", "geboren", "geburtsdatum", "naissance"},
		aboutAge:     {"age", "aged", "turned", "turns", "turning"},
		aboutCode:    {"cvv", "cvc", "cvv2", "cvc2", "cid", "csc"},
		aboutExpiry:  {"expiry", "expires", "expiration", "exp", "expdate"},
		aboutIP:      {"ip", "ipv4", "ipv6", "addr", "address", "host", "peer", "client", "remote", "src", "dst", "listen", "listening", "gateway", "subnet", "cidr", "dns", "nameserver"},
		aboutVersion: {"version", "versions", "ver", "v", "release", "upgrade", "upgraded", "upgrading", "downgrade", "firmware", "driver", "build", "package", "oid", "annex", "appendix", "article", "paragraph", "assembly", "section", "chapter", "clause", "schema"},
		aboutTax:     {"tax", "itin", "ein", "tin", "taxpayer", "npi", "mbi", "medicare", "nhs", "sin", "tfn", "abn", "cpf", "cnpj", "pesel", "bsn", "steuer", "passport", "vin"},
		aboutOther: {"order", "orders", "invoice", "ticket", "trace", "traceid", "span", "spanid", "job", "jobs", "run", "pid", "tid", "seq", "sequence", "offset", "tracking", "shipment",
			"epoch", "timestamp", "ts", "millis", "nanos", "micros", "bytes", "byte", "size", "port", "line", "lines", "commit", "revision", "rev", "request", "txn", "transaction",
			"batch", "partition", "zip", "zipcode", "postcode", "plz", "checksum", "crc", "sku", "part", "item", "product", "serial", "thread", "block", "row", "rows", "records", "attempt", "elapsed", "duration", "inode",
			"hash", "counter", "count", "total", "worker", "task", "node", "shard", "took", "ms", "sha", "digest", "correlation", "message", "snapshot", "generation", "lsn", "xid"},
	} {
		for _, w := range list {
			m[w] = t
		}
	}
	return m
}()

// topicOf looks a word up without regard to case.
func topicOf(w []byte) topic {
	if len(w) > 24 {
		return 0
	}
	var buf [24]byte
	for i, c := range w {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	if t := topics[string(buf[:len(w)])]; t != 0 {
		return t
	}
	if n := len(w); n > 6 && w[0] >= 0xE3 { // no blanks part the words: the last two characters
		if t := topics[string(buf[n-6:n])]; t != 0 {
			return t
		}
	}
	return topicOfParts(w)
}

// topicOfParts looks up the parts of a name such as cardNumber, the last one
// that means something first.
func topicOfParts(w []byte) topic {
	for end, i := len(w), len(w)-1; i > 0; i-- {
		if class[w[i]] == upper && class[w[i-1]] == lower {
			if t := topicOf(w[i:end]); t != 0 {
				return t
			}
			if end = i; class[w[0]] == upper || class[w[0]] == lower {
				continue
			}
		}
		if i == 1 && end < len(w) {
			return topicOf(w[:end])
		}
	}
	return 0
}

const (
	wordsBefore = 60 // bytes looked at before a candidate
	wordsAfter  = 32
)

// against are topics that make a number nobody's. They count only right before
// it: an order further away says nothing about what follows.
const against = aboutOther | aboutVersion

// about finds what is said about the place: by the two words before it, by the
// nearest word before those that says what it is, by the name of the field, by
// a word behind it.
func (s *Scanner) about(b []byte, start, end int) topic {
	if t := topicNear(b, start); t != 0 {
		return t
	}
	if t := topicBefore(b, start); t != 0 {
		return t
	}
	if s.field.topic != 0 {
		return s.field.topic
	}
	return topicAfter(b, end)
}

func topicBefore(b []byte, start int) topic {
	return topicOfWords(b, start, max(0, start-wordsBefore), 60, against)
}

// topicNear looks at the two words before a place.
func topicNear(b []byte, start int) topic {
	return topicOfWords(b, start, max(0, start-20), 2, 0)
}

// topicOfWords goes back from start over so many words, without some topics. What stands in a mask
// is no word: one mask must not be the reason for the next.
func topicOfWords(b []byte, start, low, words int, without topic) topic {
	for i := start; i > low && words > 0; {
		if class[b[i-1]]&(letter|high) == 0 {
			i--
			continue
		}
		e := i
		for i > low && class[b[i-1]]&(letter|high) != 0 {
			i--
		}
		j := i
		for j > low && class[b[j-1]]&(upper|under) != 0 {
			j--
		}
		if j > 0 && b[j-1] == '[' && maskedToken(b[j-1:]) > 0 {
			i = j - 1
			continue
		}
		words--
		if without != 0 && isOurNumber(b, i, e, low) {
			return aboutPhone
		}
		if t := topicOf(b[i:e]) &^ without; t != 0 && !(t == aboutOther && hasOwnNumber(b, e, start)) {
			return t
		}
	}
	return 0
}

// hasOwnNumber: in line 88: 4111… the line's number is another one. Longer
// numbers may be two of the same kind.
func hasOwnNumber(b []byte, from, to int) bool {
	if at(b, from) != ' ' {
		return false
	}
	end := from + 1
	for end < to && class[b[end]] == digit {
		end++
	}
	return end > from+1 && end-from <= 5 && end < to && class[b[end]]&word == 0 && classAt(b, end+1)&digit == 0
}

// isOurNumber: the number of a person, and of nothing else, is a phone's.
func isOurNumber(b []byte, start, end, low int) bool {
	if lowered(b[start:end]) != "number" || start == 0 || b[start-1] != ' ' {
		return false
	}
	i := start - 1
	for i > low && class[b[i-1]]&letter != 0 {
		i--
	}
	switch lowered(b[i : start-1]) {
	case "my", "your", "his", "her", "our", "their", "new", "direct":
		return true
	}
	return false
}

func topicAfter(b []byte, end int) topic {
	top := min(len(b), end+wordsAfter)
	for i := end; i < top; {
		if b[i] == '\n' || b[i] == '.' && at(b, i+1) == ' ' {
			return 0 // the sentence ends
		}
		if b[i] == '[' {
			i += max(1, maskedToken(b[i:]))
			continue
		}
		if class[b[i]]&(letter|high) == 0 {
			i++
			continue
		}
		from := i
		for i < top && class[b[i]]&(letter|high) != 0 {
			i++
		}
		if t := topicOf(b[from:i]) &^ against; t != 0 {
			return t
		}
	}
	return 0
}
