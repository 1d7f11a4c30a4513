package datadir

import "fmt"

// LimitsConfig says what each tenant may send to a server; zero is no limit.
type LimitsConfig struct {
	TenantLimits `yaml:",inline"`
	// Tenants have limits of their own; what stands in none of theirs is as for all.
	Tenants map[string]TenantLimits `yaml:"tenants,omitempty"`
}

// TenantLimits are the limits of one tenant.
type TenantLimits struct {
	EventsPerSecond *float64 `yaml:"events_per_second,omitempty"`
	BytesPerDay     *int64   `yaml:"bytes_per_day,omitempty"`
}

const maxLimits = 10_000

func (c *LimitsConfig) check() error {
	if len(c.Tenants) > maxLimits {
		return fmt.Errorf("limits.tenants: at most %d", maxLimits)
	}
	if err := c.TenantLimits.check("limits"); err != nil {
		return err
	}
	for name, l := range c.Tenants {
		if err := l.check(fmt.Sprintf("limits.tenants.%.100q", name)); err != nil {
			return err
		}
	}
	return nil
}

func (l *TenantLimits) check(where string) error {
	if e := l.EventsPerSecond; e != nil && !(*e == 0 || *e >= 0.01 && *e <= 1e9) {
		return fmt.Errorf("%s: events_per_second is 0 for no limit, or from 0.01 to 1e9", where)
	}
	if b := l.BytesPerDay; b != nil && *b < 0 {
		return fmt.Errorf("%s: bytes_per_day is negative", where)
	}
	return nil
}

// Of returns what a tenant may send: events a second and bytes a day, 0 for no limit.
func (c *LimitsConfig) Of(tenant string) (events float64, bytes int64) {
	if c == nil {
		return 0, 0
	}
	for _, l := range []TenantLimits{c.TenantLimits, c.Tenants[tenant]} {
		if l.EventsPerSecond != nil {
			events = *l.EventsPerSecond
		}
		if l.BytesPerDay != nil {
			bytes = *l.BytesPerDay
		}
	}
	return events, bytes
}
