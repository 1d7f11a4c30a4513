package datadir

import (
	"fmt"
	"strings"
	"time"

	"indelible"
)

// RetentionConfig says how long events are kept: the section retention of
// indelible.yaml. What it says counts once it is recorded in the log.
type RetentionConfig struct {
	Default Duration        `yaml:"default"`
	Rules   []RetentionRule `yaml:"rules,omitempty"` // the first that fits counts
}

// RetentionRule is one class of events and how long it is kept.
type RetentionRule struct {
	Class  string   `yaml:"class"` // its name; the log shows it
	Keep   Duration `yaml:"keep"`
	Tenant string   `yaml:"tenant,omitempty"`
	Events string   `yaml:"event_type,omitempty"` // one event type, or the beginning of some and *
}

func (c *RetentionConfig) check() error {
	if _, err := c.Policy(new([32]byte)); err != nil {
		return err
	}
	for _, r := range c.Rules {
		if strings.Contains(strings.TrimSuffix(r.Events, "*"), "*") {
			return fmt.Errorf("retention class %s: event_type %q: a * stands at the end only", r.Class, r.Events)
		}
	}
	return nil
}

// Policy is what the log is to record of it: tenants and event types as keyed
// references.
func (c *RetentionConfig) Policy(idKey *[32]byte) (*indelible.Retention, error) {
	p := &indelible.Retention{}
	var err error
	if p.Default, err = days("default", c.Default); err != nil {
		return nil, err
	}
	for _, r := range c.Rules {
		rule := indelible.RetentionRule{Class: r.Class}
		if rule.Days, err = days(r.Class, r.Keep); err != nil {
			return nil, err
		}
		if r.Tenant != "" {
			ref := indelible.TenantRef(idKey, r.Tenant)
			rule.Tenant = &ref
		}
		if r.Events != "" && r.Events != "*" {
			ref := indelible.EventTypeRef(idKey, r.Events)
			rule.Events = &ref
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, p.Check()
}

func days(class string, d Duration) (uint32, error) {
	day := 24 * time.Hour
	if t := time.Duration(d); t <= 0 || t%day != 0 || t/day > 1<<20 {
		return 0, fmt.Errorf("retention class %s: %s is not a number of days such as 400d", class, d)
	}
	return uint32(time.Duration(d) / day), nil
}

// Class says which retention class an event belongs to.
func (c *RetentionConfig) Class(tenantID, eventType string) string {
	if c == nil {
		return indelible.DefaultClass
	}
	for _, r := range c.Rules {
		if (r.Tenant == "" || r.Tenant == tenantID) && r.fits(eventType) {
			return r.Class
		}
	}
	return indelible.DefaultClass
}

func (r *RetentionRule) fits(eventType string) bool {
	if beginning, ok := strings.CutSuffix(r.Events, "*"); ok {
		return strings.HasPrefix(eventType, beginning)
	}
	return r.Events == "" || r.Events == eventType
}
