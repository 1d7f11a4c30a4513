package indelible

import (
	"fmt"
	"slices"
	"time"
)

// DefaultClass is the retention class of what no rule fits, and DefaultDays how
// long it is kept where no policy says otherwise.
const (
	DefaultClass = "default"
	DefaultDays  = 400
	maxDays      = 100 * 366
	maxRules     = 1000
)

// Days is how long a class is kept. One that the policy does not name is kept as
// long as the longest it names.
func (r *Retention) Days(class string) uint32 {
	if class == DefaultClass {
		return r.Default
	}
	days := r.Default
	for _, rule := range r.Rules {
		if rule.Class == class {
			return rule.Days
		}
		days = max(days, rule.Days)
	}
	return days
}

// Shortest is the least number of days anything is kept.
func (r *Retention) Shortest() uint32 {
	days := r.Default
	for _, rule := range r.Rules {
		days = min(days, rule.Days)
	}
	return days
}

// longest is the greatest number of days anything is kept.
func (r *Retention) longest() uint32 { return r.Days("") }

// Check reports what is wrong with a retention policy in itself.
func (r *Retention) Check() error {
	if r.Default == 0 || r.Default > maxDays {
		return fmt.Errorf("retention default of %d days: want 1 to %d", r.Default, maxDays)
	}
	if len(r.Rules) > maxRules {
		return fmt.Errorf("%d retention rules, more than %d", len(r.Rules), maxRules)
	}
	seen := map[string]bool{DefaultClass: true}
	for _, rule := range r.Rules {
		if seen[rule.Class] || !validClass(rule.Class) {
			return fmt.Errorf("retention class %q is there twice or is no name of 1 to 32 of a-z, 0-9 and -", rule.Class)
		}
		seen[rule.Class] = true
		if rule.Days == 0 || rule.Days > maxDays {
			return fmt.Errorf("retention class %s of %d days: want 1 to %d", rule.Class, rule.Days, maxDays)
		}
	}
	return nil
}

func validClass(s string) bool {
	for _, c := range s {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 32
}

// Shortens reports whether anything could be kept for less time than under the
// policy before: a class has fewer days, rules fit other events than they did,
// or a new class takes events away from where they were kept longest.
func (r *Retention) Shortens(before *Retention) bool {
	if r.Default < before.Default {
		return true
	}
	next := 0 // of the rules before that is to come
	for _, rule := range r.Rules {
		i := slices.IndexFunc(before.Rules, func(b RetentionRule) bool { return b.Class == rule.Class })
		switch {
		case i < 0 && rule.Days < before.longest():
			return true
		case i < 0:
		case i != next || rule.Days < before.Rules[i].Days || !same(rule.Tenant, before.Rules[i].Tenant) || !same(rule.Events, before.Rules[i].Events):
			return true
		default:
			next++
		}
	}
	return next != len(before.Rules)
}

func same(a, b *Ref) bool { return a == b || a != nil && b != nil && *a == *b }

// Same reports whether two policies say the same.
func (r *Retention) Same(o *Retention) bool { return !r.Shortens(o) && !o.Shortens(r) }

// PeriodEnd is the end of a period, a UTC month written as 2026-11.
func PeriodEnd(period string) (time.Time, error) {
	begin, err := time.Parse("2006-01", period)
	if err != nil || len(period) != 7 {
		return time.Time{}, fmt.Errorf("period %q is not a month such as 2026-11", period)
	}
	return begin.AddDate(0, 1, 0), nil
}
