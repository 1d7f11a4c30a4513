// Package leaks reads rules in the format of gitleaks' TOML configuration
// (github.com/gitleaks/gitleaks, section rules) as recognisers of secrets.
package leaks

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"indelible/internal/mask"
)

// maxSize bounds a file of rules: gitleaks' own has about 100 KiB.
const maxSize = 4 << 20

type file struct {
	Rules []rule `toml:"rules"`
}

type rule struct {
	ID          string   `toml:"id"`
	Regex       string   `toml:"regex"`
	SecretGroup int      `toml:"secretGroup"`
	Entropy     float64  `toml:"entropy"`
	Keywords    []string `toml:"keywords"`
}

// Read turns rules into recognisers of type SECRET. Rules about paths, which
// have no regex, are left out; so are lists of what is allowed: what looks like a
// secret is masked. Without a group, gitleaks takes the first one there is.
func Read(text []byte) ([]mask.Rule, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("rules of %d bytes, at most %d", len(text), maxSize)
	}
	var f file
	if err := toml.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	var rules []mask.Rule
	for _, r := range f.Rules {
		if r.Regex == "" {
			continue
		}
		group := r.SecretGroup
		if group == 0 && hasGroup(r.Regex) {
			group = 1
		}
		rules = append(rules, mask.Rule{ID: r.ID, Type: mask.Secret, Pattern: r.Regex, Group: group, Words: r.Keywords, Entropy: r.Entropy})
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("no rules with a regex")
	}
	return rules, nil
}

// hasGroup reports whether an expression has a group that catches something.
func hasGroup(expr string) bool {
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '[':
			// A ] right behind the [ or [^ is one of the set.
			i++
			if i < len(expr) && expr[i] == '^' {
				i++
			}
			for i++; i < len(expr) && expr[i] != ']'; i++ {
				if expr[i] == '\\' {
					i++
				}
			}
		case '(':
			if i+1 == len(expr) || expr[i+1] != '?' || strings.HasPrefix(expr[i:], "(?P<") || strings.HasPrefix(expr[i:], "(?<") {
				return true
			}
		}
	}
	return false
}
