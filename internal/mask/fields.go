package mask

import (
	"bytes"
	"slices"
)

// fieldInfo is what the name of a field says about its value.
type fieldInfo struct {
	typ     Type
	topic   topic
	words   string // of the name, for the packs
	shaped  bool   // of typ only if the value looks like it
	deep    bool   // also of what lies in an object of that name
	numbers bool   // also of numbers
	keep    bool   // not read at all
	generic bool   // the name says nothing of its own
	dirty   bool   // the name itself holds something to mask
	subject uint8  // the name says who the record is about: subjectRank
}

// fieldNames are the last words of names, by type. A name is cut into words at
// signs and at capitals: sourceIPAddress is source ip address.
var fieldNames = []struct {
	typ     Type
	shaped  bool
	deep    bool
	numbers bool
	names   []string
}{
	{typ: Email, deep: true, names: []string{"email", "emails", "e mail", "mail", "email address", "email addresses", "mail address", "email addr", "e mail address", "recipient email"}},
	{typ: Phone, deep: true, numbers: true, names: []string{"phone", "phones", "telephone", "mobile", "msisdn", "fax", "phone number", "phone numbers", "mobile number", "fax number",
		"cell number", "telephone number", "phone no", "mobile no", "phonenumber", "tel", "cell phone"}},
	{typ: Person, deep: true, names: []string{"customer name", "client name", "full name", "first name", "last name", "given name", "family name", "middle name", "maiden name",
		"patient name", "employee name", "contact name", "person name", "account holder", "account name holder", "card holder", "cardholder", "cardholder name", "holder name", "surname", "firstname",
		"lastname", "fullname", "forename", "sur name", "legal name", "real name", "beneficiary name", "recipient name", "sender name", "author name", "committer name", "payee name", "guest name",
		"passenger name", "student name", "member name", "subscriber name", "name on card", "nick name", "nickname", "customername", "mother maiden name", "vorname", "nachname"}},
	{typ: User, numbers: true, names: []string{"user", "user id", "userid", "username", "user name", "login name", "user login", "actor", "actor id", "principal id", "requested by", "created by",
		"updated by", "modified by", "triggered by", "approved by", "submitted by", "started by", "assigned to", "assignee", "initiator", "requester", "reviewer", "author", "committer",
		"owner", "owner id", "customer id", "patient id", "employee id", "member id", "subscriber id", "account owner", "on behalf of", "impersonated user", "run as", "uid", "screen name"}},
	{typ: Card, deep: true, numbers: true, names: []string{"card number", "credit card", "credit card number", "cc number", "card no", "cardnumber", "pan", "debit card", "payment card", "creditcard", "ccn"}},
	{typ: CardCode, deep: true, numbers: true, names: []string{"cvv", "cvc", "cvv2", "cvc2", "card code", "security code", "card verification value"}},
	{typ: CardExpiry, deep: true, numbers: true, names: []string{"card expiry", "card expiration", "card exp", "exp month", "exp year"}},
	{typ: IBAN, deep: true, names: []string{"iban", "iban number", "iban code"}},
	{typ: Account, deep: true, numbers: true, names: []string{"bank account", "account number", "bank account number", "routing number", "sort code", "swift code", "bic", "kontonummer"}},
	{typ: SSN, deep: true, numbers: true, names: []string{"ssn", "social security number", "social security", "social security no", "ssn number", "us ssn"}},
	{typ: NationalID, deep: true, numbers: true, names: []string{"passport", "passport number", "passport no", "driver license", "drivers license", "driving licence", "driver license number",
		"drivers license number", "license number", "national id", "national insurance number", "nino", "tax id", "tin", "itin", "ein", "nhs number", "medicare number", "medicare id", "npi",
		"taxpayer id", "personal number", "personnummer", "identity number", "id number", "id card", "cpf", "cnpj", "pesel", "bsn", "codice fiscale", "steuer id", "aadhaar", "aadhar", "dni", "nie"}},
	{typ: BirthDate, deep: true, numbers: true, names: []string{"dob", "date of birth", "birth date", "birthdate", "birthday", "birth day", "geburtsdatum"}},
	{typ: IP, shaped: true, names: []string{"ip", "ips", "ip address", "ip addr", "ip addresses", "ipaddress", "remote addr", "client addr", "peer addr", "x forwarded for", "x real ip", "xff"}},
	{typ: MAC, shaped: true, names: []string{"mac", "mac address", "mac addr"}},
	{typ: Age, numbers: true, names: []string{"age", "customer age", "patient age", "user age"}},
	{typ: Location, deep: true, numbers: true, names: []string{"street", "street address", "postal address", "home address", "billing address", "shipping address", "mailing address", "zip", "zip code",
		"postcode", "postal code", "city", "address line1", "address line2", "address line 1", "address line 2", "address"}},
}

// fieldsWhole are names that mean it only without another word before them:
// login is a user, consoleLogin an outcome.
var fieldsWhole = map[string]fieldInfo{"login": {typ: User}}

// generic are names below a field that say nothing of their own.
var generic = map[string]bool{
	"value": true, "values": true, "text": true, "raw": true, "data": true, "plain": true, "current": true, "new": true, "old": true, "previous": true, "default": true,
	"number": true, "address": true, "line1": true, "line2": true, "full": true, "first": true, "last": true, "given": true, "family": true, "middle": true, "primary": true,
	"secondary": true, "work": true, "home": true, "mobile": true, "to": true, "from": true, "cc": true, "bcc": true, "key": true, "secret": true, "string": true, "name": true,
}

var fieldTypes = func() map[string]fieldInfo {
	m := make(map[string]fieldInfo)
	for _, f := range fieldNames {
		for _, n := range f.names {
			m[n] = fieldInfo{typ: f.typ, shaped: f.shaped, deep: f.deep, numbers: f.numbers}
		}
	}
	return m
}()

const maxFieldName = 128

// fieldOf classifies the name of a field.
func (p *Policy) fieldOf(name []byte) (info fieldInfo) {
	if t, ok := p.Fields[string(name)]; ok {
		if t == "" {
			return fieldInfo{keep: true}
		}
		return fieldInfo{typ: t, deep: true, numbers: true, subject: p.subjectRank(bytes.Join(nameWords(name), []byte(" ")))}
	}
	if len(name) > maxFieldName {
		return fieldInfo{}
	}
	words := nameWords(name)
	defer func() {
		joined := bytes.Join(words, []byte(" "))
		info.words, info.subject = string(joined), p.subjectRank(joined)
	}()
	for from := max(0, len(words)-4); from < len(words); from++ { // the longest match at the end
		if f, ok := fieldTypes[string(bytes.Join(words[from:], []byte(" ")))]; ok {
			info = f
			break
		}
	}
	if f, ok := fieldsWhole[lowered(name)]; ok && info.typ == "" {
		info = f
	}
	if t := secretName(name); t != "" && info.typ == "" {
		info = fieldInfo{typ: t, deep: true, numbers: t == Password}
	}
	for _, w := range slices.Backward(words) {
		if info.topic = topicOf(w); info.topic != 0 {
			break
		}
	}
	info.generic = generic[lowered(name)]
	switch info.typ {
	case IP:
		info.topic = aboutIP
	case Phone:
		info.topic = aboutPhone
	}
	return info
}

// nameWords cuts a name into lower-case words.
func nameWords(name []byte) [][]byte {
	var words [][]byte
	var w []byte
	flush := func() {
		if len(w) > 0 {
			words = append(words, w)
			w = nil
		}
	}
	for i, c := range name {
		switch {
		case class[c] == upper:
			if i > 0 && (class[name[i-1]] == lower || class[name[i-1]] == digit || class[name[i-1]] == upper && i+1 < len(name) && class[name[i+1]] == lower) {
				flush()
			}
			w = append(w, c|0x20)
		case class[c]&(lower|high|digit) != 0:
			w = append(w, c)
		default:
			flush()
		}
	}
	flush()
	// A number at the end counts fields of one kind: email1, phone_2.
	if n := len(words); n > 0 {
		last := bytes.TrimRight(words[n-1], "0123456789")
		switch {
		case len(last) == 0 && n > 1:
			words = words[:n-1]
		case len(last) > 2 && string(last) != "cvv" && string(last) != "cvc" && string(last) != "line":
			words[n-1] = last
		}
	}
	return words
}
