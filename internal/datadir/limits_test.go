package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ledger")
	d, err := Init(t.Context(), dir, InitOptions{Store: StoreConfig{Prefix: DefaultPrefix, Lock: "none", Retention: DefaultRetention}}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if events, bytes := d.Config.Limits.Of("acme"); events != 0 || bytes != 0 {
		t.Errorf("without limits: %g, %d", events, bytes)
	}
	name := filepath.Join(dir, configName)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	load := func(limits string) (*Config, error) {
		if err := os.WriteFile(name, append(before, limits...), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadConfig(dir)
	}
	c, err := load("limits:\n  events_per_second: 2000\n  bytes_per_day: 1000000\n  tenants:\n    acme: {events_per_second: 0.5}\n    globex: {bytes_per_day: 0}\n")
	if err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]struct {
		events float64
		bytes  int64
	}{"acme": {0.5, 1000000}, "globex": {2000, 0}, "other": {2000, 1000000}} {
		if events, bytes := c.Limits.Of(tenant); events != want.events || bytes != want.bytes {
			t.Errorf("%s: %g, %d, want %+v", tenant, events, bytes, want)
		}
	}
	for _, wrong := range []string{"events_per_second: -1", "events_per_second: 0.001", "events_per_second: .nan", "bytes_per_day: -1", "nothing: 1", "tenants: {acme: {bytes_per_day: -1}}"} {
		if _, err := load("limits:\n  " + wrong + "\n"); err == nil || !strings.Contains(err.Error(), configName) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
