package mask

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// Options are what a Masker is made with besides its policy.
type Options struct {
	// Key makes pseudonyms: 32 bytes of the tenant and the purpose.
	Key []byte
	// Redact makes [TYPE] of what would become a pseudonym.
	Redact bool
	// Suppressed reports whether who this is was erased: then [TYPE] stands in its
	// place.
	Suppressed func(Identity) bool
	// Report also looks for what the policy keeps.
	Report bool
	// Explain is called with each finding, in order, and what is done with it.
	Explain func(Place, Action)
}

// An Identity is what would become a pseudonym: the value as it was found, and as
// it is compared.
type Identity struct {
	Type                   Type
	Token, Found, Compared string
}

// Under is the pseudonym under another key.
func (i Identity) Under(key []byte) string { return pseudonym(key, i.Type, i.Compared) }

// A Place is a finding in a record. It holds nothing of the value.
type Place struct {
	Finding        // Start and End count bytes of the field's text
	Field   string // JSON pointer, array indexes as they are; through JSON in a string, too
	From    int    // Start and End in code points
	To      int
}

// MinKey is the length of a key that pseudonyms are made with, in bytes.
const MinKey = 32

// ErrNoKey: a policy makes pseudonyms, and there is no key. Hashes without one
// can be turned back by trying.
var ErrNoKey = errors.New("pseudonyms need a key")

// A Masker masks records by a policy. One goroutine uses it at a time.
type Masker struct {
	policy *Policy
	types  map[Type]Action // of the tenant
	opt    Options
	scan   *Scanner
	names  map[string]fieldInfo
	recent [256]named
	counts map[Count]int64

	line   []byte
	again  []byte
	stack  []frame
	edits  []edit
	made   []byte // what edits put in
	levels []*levelBuffer

	seeking    bool   // only look for who the record is about
	person     []byte // who that is
	personRank uint8
	weeks      int // how far the person's dates are shifted; 0: nobody is known

	repeated bool
	checking bool // only count what would be masked
	residue  []Type
}

// A Count is what findings are counted by.
type Count struct {
	Type   Type
	Field  string // as a JSON pointer, array indexes as *
	Action Action
}

type frame struct {
	name  []byte
	index int       // of an array, -1 in an object
	info  fieldInfo // of the value that comes
	outer fieldInfo // of the object itself
}

// edit: the bytes of the line from start to end become made[from:to].
type edit struct {
	start, end, from, to int
}

type levelBuffer struct {
	text  text
	buf   []byte
	steps []step
}

// New makes a masker. The policy is compiled.
func New(p *Policy, opt Options) (*Masker, error) {
	if !opt.Redact && len(opt.Key) < MinKey {
		return nil, ErrNoKey
	}
	return &Masker{
		policy: p, opt: opt, scan: NewScanner(p, opt.Report || opt.Explain != nil),
		names: make(map[string]fieldInfo), counts: make(map[Count]int64),
	}, nil
}

// For masks what follows as that of a tenant, with its key.
func (m *Masker) For(tenant string, key []byte) error {
	if !m.opt.Redact && len(key) < MinKey {
		return ErrNoKey
	}
	m.types, m.opt.Key, m.weeks = m.policy.Tenants[tenant], key, 0
	return nil
}

// A unit is what is masked in one go.
type unit uint8

const (
	aLine  unit = iota // a record of its own
	aJSON              // a field's value as JSON
	aField             // a field's text
)

// Line appends a record with its personal data and secrets masked. A line that
// is no JSON is masked as text. The top-level field id is never read.
func (m *Masker) Line(dst, line []byte) []byte {
	m.begin(line)
	return m.mask(dst, line, aLine, "")
}

func (m *Masker) begin(line []byte) {
	if m.Shifts() {
		m.PersonIn(line)
	}
}

// Record is Line, scanned again when something was masked, or always: what a
// mask beside it made recognisable is masked, too. It names the types the policy
// masks that are found even then: such a record must go nowhere.
func (m *Masker) Record(dst, line []byte, always bool) ([]byte, []Type) {
	m.begin(line)
	return m.checked(dst, line, aLine, "", always)
}

// JSON is Record for the JSON value of a field.
func (m *Masker) JSON(dst, value []byte, field string, always bool) ([]byte, []Type) {
	return m.checked(dst, value, aJSON, field, always)
}

// Text is Record for the text of a field.
func (m *Masker) Text(dst, value []byte, field string, always bool) ([]byte, []Type) {
	return m.checked(dst, value, aField, field, always)
}

func (m *Masker) mask(dst, src []byte, u unit, field string) []byte {
	m.line, m.made = src, m.made[:0]
	whole := &text{b: src}
	begin := func() {
		m.stack, m.edits, m.residue = m.stack[:0], m.edits[:0], m.residue[:0]
		if u != aLine {
			m.stack = append(m.stack, frame{name: []byte(field), index: -1})
		}
	}
	begin()
	info := fieldInfo{}
	if u != aLine {
		info = m.fieldOf(m.stack[0].name)
	}
	if u == aField && !isNested(src) {
		m.value(whole, 0, len(src), info)
	} else if !m.walk(whole, info) {
		begin()
		if u == aField {
			m.value(whole, 0, len(src), info)
		} else {
			m.string(whole, 0, len(src), info, true)
		}
	}
	at := 0
	for _, e := range m.edits {
		dst = append(dst, src[at:e.start]...)
		dst = append(dst, m.made[e.from:e.to]...)
		at = e.end
	}
	return append(dst, src[at:]...)
}

func (m *Masker) checked(dst, src []byte, u unit, field string, always bool) ([]byte, []Type) {
	from := len(dst)
	dst = m.mask(dst, src, u, field)
	if len(m.edits) == 0 && !always {
		return dst, nil
	}
	for tries := 4; ; tries-- {
		m.checking = true
		m.again = m.mask(m.again[:0], dst[from:], u, field)
		m.checking = false
		if len(m.residue) == 0 || tries == 0 {
			return dst, slices.Clone(m.residue)
		}
		m.again = append(m.again[:0], dst[from:]...)
		m.repeated = true // what is kept was counted already
		dst = m.mask(dst[:from], m.again, u, field)
		m.repeated = false
	}
}

// Counts are the findings of all records so far.
func (m *Masker) Counts() map[Count]int64 { return m.counts }

const maxNames = 4096

// fieldOf classifies the name of a field. Records repeat their names: those met
// last are found without a map.
func (m *Masker) fieldOf(name []byte) fieldInfo {
	if len(name) == 0 {
		return fieldInfo{}
	}
	n := &m.recent[(len(name)*31+int(name[0])*7+int(name[len(name)/2])*5+int(name[len(name)-1]))%len(m.recent)]
	if n.name == string(name) {
		return n.info
	}
	info, ok := m.names[string(name)]
	if !ok {
		info = m.policy.fieldOf(name)
		if found, _ := m.scan.scanField(name, fieldInfo{}); len(found) > 0 {
			info.dirty = true
		}
		if len(m.names) < maxNames && len(name) <= maxFieldName {
			m.names[string(name)] = info
		}
	}
	if len(name) <= maxFieldName {
		*n = named{string(name), info}
	}
	return info
}

type named struct {
	name string
	info fieldInfo
}

// string looks at the string that stands between start and end of a text, with
// its escapes.
func (m *Masker) string(t *text, start, end int, info fieldInfo, free bool) {
	raw := t.b[start:end]
	if bytes.IndexByte(raw, '\\') < 0 {
		m.value(t, start, end, info)
		return
	}
	for len(m.levels) <= t.level {
		m.levels = append(m.levels, &levelBuffer{})
	}
	l := m.levels[t.level]
	l.buf, l.steps = t.unescape(raw, l.buf[:0], l.steps[:0])
	l.text = text{b: l.buf, steps: l.steps, base: start, parent: t, level: t.level + 1}
	if !free && t.level < maxLevel && isNested(l.buf) {
		edits, made, depth := len(m.edits), len(m.made), len(m.stack)
		if info.typ == "" || info.shaped || !info.deep {
			info = fieldInfo{}
		}
		if m.walk(&l.text, info) {
			return
		}
		m.edits, m.made, m.stack = m.edits[:edits], m.made[:made], m.stack[:depth]
	}
	m.value(&l.text, 0, len(l.buf), info)
}

const maxLevel = 4 // JSON in a string in JSON …

func isNested(b []byte) bool {
	b = bytes.TrimSpace(b)
	if len(b) < 2 {
		return false
	}
	return b[0] == '{' && b[len(b)-1] == '}' || b[0] == '[' && b[len(b)-1] == ']'
}

// value looks at a plain value.
func (m *Masker) value(t *text, start, end int, info fieldInfo) {
	v := t.b[start:end]
	if m.seeking {
		m.sought(v, info)
		return
	}
	if len(v) == 0 || info.keep {
		return
	}
	found, notes := m.scan.scanField(v, info)
	if info.typ == Person && bytes.IndexByte(v, '/') >= 0 && bytes.IndexByte(v, ' ') < 0 {
		info.typ = "" // full_name of a repository: owner/name
	}
	if info.typ != "" && !info.shaped && !isNothing(v) && !isNobody(info, v) && !(len(found) > 0 && groups[info.typ] != secrets && covers(v, found)) {
		whole := Finding{info.typ, "field", Field, 0, len(v)}
		if groups[info.typ] != reported {
			found = append(found[:0], whole)
			m.scan.found = found
			notes = nil
		} else {
			notes = append(notes[:0], whole)
			m.scan.notes = notes
		}
	}
	if len(found) == 0 && len(notes) == 0 {
		return
	}
	m.take(t, start, found, notes)
}

// take does what the policy says with findings at start of a text.
func (m *Masker) take(t *text, start int, found, notes []Finding) {
	points, counted := 0, 0
	for len(found) > 0 || len(notes) > 0 {
		var f Finding
		if len(notes) == 0 || len(found) > 0 && found[0].Start <= notes[0].Start {
			f, found = found[0], found[1:]
		} else {
			f, notes = notes[0], notes[1:]
		}
		a := m.action(f.Type)
		if (a == Pseudonym || a == Shift) && m.opt.Redact {
			a = Redact
		}
		if m.checking {
			if a != Keep && !slices.Contains(m.residue, f.Type) {
				m.residue = append(m.residue, f.Type)
			}
			continue
		}
		if m.repeated && a == Keep {
			continue
		}
		m.counts[Count{f.Type, m.pointer(true), a}]++
		if m.opt.Explain != nil {
			v := t.b[start:]
			if f.Start >= counted {
				points += utf8.RuneCount(v[counted:f.Start])
			} else {
				points = utf8.RuneCount(v[:f.Start])
			}
			counted = f.Start
			m.opt.Explain(Place{f, m.pointer(false), points, points + utf8.RuneCount(v[f.Start:f.End])}, a)
		}
		if a == Keep {
			continue
		}
		m.edit(t.line(start+f.Start), t.line(start+f.End), f.Type, a, t.b[start+f.Start:start+f.End])
	}
}

func (m *Masker) action(t Type) Action {
	if a, ok := m.types[t]; ok {
		return a
	}
	return m.policy.Action(t)
}

func (m *Masker) edit(start, end int, t Type, a Action, value []byte) {
	from := len(m.made)
	if n := len(m.edits); n > 0 && start < m.edits[n-1].end { // a note that sticks out of a finding
		return
	}
	if a != Drop {
		m.made = m.replacement(m.made, t, a, value)
	}
	m.edits = append(m.edits, edit{start, end, from, len(m.made)})
}

// covers reports whether findings take all letters and digits of a value.
func covers(v []byte, found []Finding) bool {
	at := 0
	for _, f := range found {
		for _, c := range v[at:f.Start] {
			if class[c]&word != 0 {
				return false
			}
		}
		at = f.End
	}
	for _, c := range v[at:] {
		if class[c]&word != 0 {
			return false
		}
	}
	return true
}

// isNothing reports whether a value stands for none, or is masked already.
func isNothing(v []byte) bool {
	v = bytes.TrimSpace(v)
	switch lowered(v) {
	case "null", "none", "nil", "n/a", "na", "unknown", "undefined", "anonymous", "true", "false", "self":
		return true
	}
	if bytes.EqualFold(v, hiddenByAWS) {
		return true
	}
	for i := 0; i < len(v); i++ {
		if n := maskedToken(v[i:]); n > 0 {
			i += n - 1
		} else if class[v[i]]&word != 0 {
			return false
		}
	}
	return true
}
