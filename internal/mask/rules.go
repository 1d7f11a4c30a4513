package mask

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// A Rule is a recogniser of one's own, in indelible.yaml or from a file in
// gitleaks' format. The pattern has RE2 syntax, which takes time in proportion
// to the text whatever it says.
type Rule struct {
	ID      string   `json:"id"`
	Type    Type     `json:"type"`
	Pattern string   `json:"pattern"`
	Group   int      `json:"group,omitempty"`   // the part that is masked; 0 is all of it
	Words   []string `json:"words,omitempty"`   // one of them must be in the text, without regard to case
	Entropy float64  `json:"entropy,omitempty"` // bits a character that the part has at least
}

// Bounds of own rules: what they may cost, not what they may say.
const (
	maxRules   = 500
	maxPattern = 4096
)

type ownRule struct {
	Rule
	expr *regexp.Regexp
}

func compileRules(rules []Rule) ([]ownRule, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules of one's own, at most %d", len(rules), maxRules)
	}
	var own []ownRule
	for _, r := range rules {
		if len(r.Pattern) > maxPattern {
			return nil, fmt.Errorf("rule %q: a pattern of %d bytes, at most %d", r.ID, len(r.Pattern), maxPattern)
		}
		if !isTypeName(r.Type) {
			return nil, fmt.Errorf("rule %q: type %q is not made of capitals, digits and _", r.ID, r.Type)
		}
		expr, err := regexp.Compile(r.Pattern)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.ID, err)
		}
		if r.Group < 0 || r.Group > expr.NumSubexp() {
			return nil, fmt.Errorf("rule %q: group %d of %d", r.ID, r.Group, expr.NumSubexp())
		}
		if expr.MatchString("") {
			return nil, fmt.Errorf("rule %q: the pattern matches nothing at all, and so everywhere", r.ID)
		}
		own = append(own, ownRule{r, expr})
	}
	return own, nil
}

func isTypeName(t Type) bool {
	if len(t) < 2 || len(t) > 40 || class[t[0]] != upper {
		return false
	}
	for i := range len(t) {
		if class[t[i]]&(upper|digit|under) == 0 {
			return false
		}
	}
	return knownType([]byte(t))
}

// find appends what the rule finds.
func (r *ownRule) find(b []byte, found []Finding) []Finding {
	if len(r.Words) > 0 && !hasAny(b, r.Words) {
		return found
	}
	for _, m := range r.expr.FindAllSubmatchIndex(b, -1) {
		start, end := m[2*r.Group], m[2*r.Group+1]
		if start < 0 || start == end || maskedToken(b[start:end]) == end-start || entropy(b[start:end]) < r.Entropy {
			continue
		}
		found = append(found, Finding{r.Type, r.ID, Context, start, end})
	}
	return found
}

func hasAny(b []byte, words []string) bool {
	low := bytes.ToLower(b)
	for _, w := range words {
		if bytes.Contains(low, []byte(strings.ToLower(w))) {
			return true
		}
	}
	return false
}

// entropy is Shannon's, in bits a byte.
func entropy(b []byte) float64 {
	var n [256]int
	for _, c := range b {
		n[c]++
	}
	bits := 0.0
	for _, k := range n {
		if k > 0 {
			p := float64(k) / float64(len(b))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
