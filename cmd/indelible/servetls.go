package main

import (
	"time"

	"indelible/internal/api"
	"indelible/internal/datadir"
)

// certificatesEvery is how often it is looked whether certificates were replaced.
const certificatesEvery = 2 * time.Second

// certificatesOf are those that indelible.yaml names; nil if none.
func certificatesOf(d *datadir.Directory) (*api.Certificates, error) {
	if d.Config.Server == nil || d.Config.Server.TLS == nil {
		return nil, nil
	}
	t := d.Config.Server.TLS
	c, err := api.LoadCertificates(api.CertificateFiles{
		Certificate: d.ServerFile(t.Certificate), Key: d.ServerFile(t.Key), ClientCA: d.ServerFile(t.ClientCA),
	}, nil)
	if err != nil {
		return nil, usagef("look at server.tls in indelible.yaml", "%w", err)
	}
	return c, nil
}

// certificateGauges say how long the certificate lives, and whether a new one failed.
func certificateGauges(c *api.Certificates) []api.Gauge {
	if c == nil {
		return nil
	}
	failed := 0.0
	if c.Failed() {
		failed = 1
	}
	return []api.Gauge{
		{Name: "indelible_tls_certificate_expiry_timestamp_seconds", Help: "When the certificate in use expires.", Value: float64(c.Until().Unix())},
		{Name: "indelible_tls_reload_failed", Help: "1 while new certificates lie there that cannot be used.", Value: failed},
	}
}
