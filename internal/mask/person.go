package mask

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A record is about a person where it has a field that names one: the first of
// Policy.Subject that is there. Dates are shifted by the person, and groups of
// rows count persons.

// defaultSubject are the names where a policy has none.
var defaultSubject = []string{"subject_id", "user_id", "customer_id", "patient_id", "employee_id", "member_id", "subscriber_id", "user", "username", "email"}

// maxShift is how far a date is shifted at most, in weeks either way. Whole
// weeks leave each date its day of the week.
const maxShift = 52

// subjectRank says the how manieth of the policy's names for a person a name is;
// 0: none of them.
func (p *Policy) subjectRank(words []byte) uint8 {
	names := p.Subject
	if len(names) == 0 {
		names = defaultSubject
	}
	for i, n := range names {
		if bytes.Equal(bytes.Join(nameWords([]byte(n)), []byte(" ")), words) {
			return uint8(i + 1)
		}
	}
	return 0
}

// PersonIn looks for who a record is about in JSON values of it, and takes the
// dates that follow as those of the person. It returns the pseudonym of the
// person, nothing where the values name nobody. It does not say who was erased.
func (m *Masker) PersonIn(values ...[]byte) (token string) {
	m.person, m.personRank = m.person[:0], 0
	m.seeking = true
	for _, v := range values {
		if len(v) > 0 {
			m.stack = m.stack[:0]
			m.walk(&text{b: v}, fieldInfo{})
		}
	}
	m.seeking = false
	return m.Person(m.person)
}

// Person says who what follows is about; nobody, if the name is empty.
func (m *Masker) Person(name []byte) (token string) {
	m.weeks = 0
	if len(name) == 0 || isNothing(name) {
		return ""
	}
	t := User
	if bytes.IndexByte(name, '@') > 0 {
		t = Email
	}
	compared := normal(t, name, m.policy.region())
	token = pseudonym(m.opt.Key, t, compared)
	if m.opt.Suppressed == nil || !m.opt.Suppressed(Identity{t, token, string(name), compared}) {
		m.weeks = weeksOf(m.opt.Key, token)
	}
	return token
}

// weeksOf is how far the dates of a person are shifted: -52 to 52 weeks, not 0.
func weeksOf(key []byte, token string) int {
	n := int(binary.BigEndian.Uint64([]byte(pseudonym(key, "date shift", token)))%(2*maxShift)) - maxShift
	if n >= 0 {
		n++
	}
	return n
}

// sought notes the value of a field whose name means the person.
func (m *Masker) sought(value []byte, info fieldInfo) {
	if r := info.subject; r > 0 && (m.personRank == 0 || r < m.personRank) && len(value) > 0 && !isNothing(value) {
		m.person, m.personRank = append(m.person[:0], value...), r
	}
}

// Shifts reports whether the policy shifts dates of the tenant: then each record
// has to say who it is about.
func (m *Masker) Shifts() bool {
	return !m.opt.Redact && slices.ContainsFunc([]Type{Date, BirthDate}, func(t Type) bool { return m.action(t) == Shift })
}
