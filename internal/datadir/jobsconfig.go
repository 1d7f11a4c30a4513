package datadir

import (
	"encoding/json"
	"fmt"
)

// JobsConfig is the section jobs of indelible.yaml: where schedules and runs
// are kept, and how much goes on at once.
type JobsConfig struct {
	DSN          string         `yaml:"dsn,omitempty"`           // PostgreSQL, without its password; without it jobs.db here
	PasswordEnv  string         `yaml:"password_env,omitempty"`  // the variable that holds it
	PasswordFile string         `yaml:"password_file,omitempty"` // or the file
	Workers      int            `yaml:"workers,omitempty"`       // runs at once in one process; 4
	Limits       map[string]int `yaml:"limits,omitempty"`        // runs at once on all machines, by kind
	PerTenant    int            `yaml:"per_tenant,omitempty"`    // runs at once of one tenant; no limit
}

// most is how many runs may go on at once, by any of the limits.
const most = 100

func (c *JobsConfig) check() error {
	if c.PasswordEnv != "" && c.PasswordFile != "" {
		return fmt.Errorf("jobs: give one of password_env and password_file")
	}
	for name, n := range map[string]int{"workers": c.Workers, "per_tenant": c.PerTenant} {
		if n < 0 || n > most {
			return fmt.Errorf("jobs.%s: %d is not 0 to %d", name, n, most)
		}
	}
	for kind, n := range c.Limits {
		if n < 1 || n > most {
			return fmt.Errorf("jobs.limits.%s: %d is not 1 to %d", kind, n, most)
		}
	}
	return nil
}

// ScheduleConfig is one of the schedules of indelible.yaml. What it runs, and
// with which options, is checked by who runs it.
type ScheduleConfig struct {
	When   string         `yaml:"when"`
	Zone   string         `yaml:"zone,omitempty"`
	Missed string         `yaml:"missed,omitempty"`
	Run    string         `yaml:"run"`
	With   map[string]any `yaml:"with,omitempty"`
}

// Options are the options of what is run, as JSON.
func (c *ScheduleConfig) Options() (json.RawMessage, error) {
	if len(c.With) == 0 {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(c.With)
}
