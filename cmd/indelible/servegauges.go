package main

import (
	"time"

	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
)

// outcome is how the latest verification ended.
type outcome struct {
	code int // exit code of the command
	at   time.Time
}

func verifyCode(r *ledger.Report) int {
	err := verifyExit(r)
	if err == nil {
		return exitOK
	}
	code, _ := classify(err)
	return code
}

// gauges measure what a server's surroundings are like. What cannot be measured is
// left out: an alert on its absence is better than a number that is none.
func (a *app) gauges(s *session, v *verification, c *api.Certificates) []api.Gauge {
	g := certificateGauges(c)
	if o := v.ended.Load(); o != nil {
		g = append(g,
			api.Gauge{Name: "indelible_verify_exit_code", Help: "How the latest verification ended, as the command's exit code.", Value: float64(o.code)},
			api.Gauge{Name: "indelible_verify_timestamp_seconds", Help: "When it ended.", Value: float64(o.at.Unix())})
	}
	if used, ok := diskUsed(s.dir.Path); ok {
		g = append(g, api.Gauge{Name: "indelible_disk_used_ratio", Help: "How full the disk of the data directory is, from 0 to 1.", Value: used})
	}
	if infos, err := datadir.ListKeys(s.dir.Path); err == nil {
		g = append(g, api.Gauge{Name: "indelible_log_key_created_timestamp_seconds", Help: "When the key that signs checkpoints was made.", Value: float64(infos[0].Created.Unix())})
	}
	if made, ok := oldestAPIKey(access.OpenKeys(a.accessDir(), nil), time.Now()); ok {
		g = append(g, api.Gauge{Name: "indelible_api_key_oldest_created_timestamp_seconds", Help: "When the oldest API key that is valid was made.", Value: float64(made.Unix())})
	}
	return g
}

func oldestAPIKey(keys *access.Keys, now time.Time) (made time.Time, ok bool) {
	list, err := keys.List()
	if err != nil {
		return made, false
	}
	for _, k := range list {
		if k.Live(now) && (!ok || k.Created.Before(made)) {
			made, ok = k.Created, true
		}
	}
	return made, ok
}
