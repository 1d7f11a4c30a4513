package mask

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// An Action is what is done with a finding.
type Action string

const (
	Keep       Action = "keep"
	Drop       Action = "drop"       // nothing stays
	Redact     Action = "redact"     // [TYPE]
	Partial    Action = "partial"    // [TYPE:*1111], the last four characters
	Pseudonym  Action = "pseudonym"  // [TYPE:26 letters], the same for the same value under one key
	Generalise Action = "generalise" // a month, a network, a band of ages
	Shift      Action = "shift"      // a date, as many weeks later as all those of its person
)

var actions = []Action{Keep, Drop, Redact, Partial, Pseudonym, Generalise, Shift}

// A Policy says what is looked for and what is done with it. The zero Policy
// is strict: identities and what reaches or charges somebody become pseudonyms
// (or are redacted where there is no key), secrets are redacted, and the rest
// is found and kept.
type Policy struct {
	Types map[Type]Action // overrides by type
	// Tenants are overrides by type for some tenants.
	Tenants map[string]map[Type]Action
	Fields  map[string]Type // what own field names mean; "" keeps a field unread
	Subject []string        // names of the fields that say who a record is about, the best first; none: defaultSubject
	Region  string          // ISO 3166 country of phone numbers without a country code; US when empty
	Packs   []string        // national numbers to look for: packs.go
	Rules   []Rule          // own recognisers

	packs packs
	own   []ownRule
}

// Strict is the default policy.
func Strict() *Policy { return &Policy{} }

// Compile checks a policy and makes it ready. It is an error to redact less
// of a secret than all of it, or to give an unknown action, pack or rule.
func (p *Policy) Compile() error {
	for _, types := range p.overrides() {
		for t, a := range types {
			if !slices.Contains(actions, a) {
				return fmt.Errorf("mask %s: unknown action %q", t, a)
			}
			if groups[t] == secrets && a != Redact && a != Drop {
				return fmt.Errorf("mask %s: a secret is redacted or dropped, not %q", t, a)
			}
			if a == Shift && t != Date && t != BirthDate {
				return fmt.Errorf("mask %s: only %s and %s can be shifted", t, Date, BirthDate)
			}
			if !isTypeName(t) {
				return fmt.Errorf("mask: type %q is not made of capitals, digits and _", t)
			}
		}
	}
	for name, t := range p.Fields {
		if t != "" && !isTypeName(t) {
			return fmt.Errorf("mask field %q: type %q is not made of capitals, digits and _", name, t)
		}
	}
	if len(p.Subject) > 100 {
		return fmt.Errorf("mask: %d names of fields that say who a record is about; at most 100", len(p.Subject))
	}
	var err error
	if p.packs, err = packsOf(p.Packs); err != nil {
		return err
	}
	p.own, err = compileRules(p.Rules)
	return err
}

// Action is what the policy does with a type.
func (p *Policy) Action(t Type) Action {
	if a, ok := p.Types[t]; ok {
		return a
	}
	switch groups[t] {
	case secrets:
		return Redact
	case reported:
		return Keep
	}
	return Pseudonym
}

func (p *Policy) overrides() []map[Type]Action {
	return append(slices.Collect(maps.Values(p.Tenants)), p.Types)
}

func (p *Policy) region() string {
	if p.Region == "" {
		return "US"
	}
	return p.Region
}

// masksReported: a type that is otherwise only reported has an action.
func (p *Policy) masksReported() bool {
	for _, types := range p.overrides() {
		for t, a := range types {
			if groups[t] == reported && a != Keep {
				return true
			}
		}
	}
	return false
}

// recognisers changes when a recogniser does: a mask of another version may
// find other things.
const recognisers = 4

// Version names the policy and the recognisers in a manifest: the beginning of
// a SHA-256 over both.
func (p *Policy) Version() string {
	text, err := json.Marshal(struct {
		Recognisers int
		Types       map[Type]Action
		Tenants     map[string]map[Type]Action
		Fields      map[string]Type
		Subject     []string `json:",omitempty"`
		Region      string
		Packs       []string
		Rules       []Rule
	}{recognisers, p.Types, p.Tenants, p.Fields, p.Subject, p.region(), slices.Sorted(slices.Values(p.Packs)), p.Rules})
	if err != nil {
		panic(err) // strings and numbers
	}
	sum := sha256.Sum256(text)
	return "strict-" + hex.EncodeToString(sum[:8])
}

// NotDetected says what no recogniser looks for.
var NotDetected = []string{
	"names of persons in free text",
	"postal addresses in free text",
	"health, belief, origin and other facts told in words",
	"secrets without a documented form, a telling name or a scheme before them",
	"numbers with a single check digit and no word or second structure",
}

// Kept lists the types that are found and left as they are.
func (p *Policy) Kept() []Type {
	var kept []Type
	for _, t := range slices.Sorted(maps.Keys(groups)) {
		if p.Action(t) == Keep {
			kept = append(kept, t)
		}
	}
	return kept
}
