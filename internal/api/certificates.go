package api

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"indelible/internal/disk"
)

// CertificateFiles name what a server speaks TLS with: PEM files.
type CertificateFiles struct {
	Certificate, Key string
	ClientCA         string // "": clients need no certificate
}

// Certificates are a server's certificate and the authorities of its clients. They
// are read again when the files change; files that cannot be used change nothing.
type Certificates struct {
	files   CertificateFiles
	clock   func() time.Time
	current atomic.Pointer[loaded]
	failed  atomic.Bool

	mu   sync.Mutex // of Reload
	seen [32]byte   // what the files held when they were looked at last
}

type loaded struct {
	config *tls.Config
	until  time.Time
}

const maxPEM = 1 << 20

// LoadCertificates reads the files. clock is time.Now if nil.
func LoadCertificates(files CertificateFiles, clock func() time.Time) (*Certificates, error) {
	if clock == nil {
		clock = time.Now
	}
	c := &Certificates{files: files, clock: clock}
	_, err := c.Reload()
	return c, err
}

// Reload takes what the files hold now, if it has changed. An error, which is
// given once for each change, leaves everything as it was.
func (c *Certificates) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, seen, err := c.load()
	if seen == c.seen {
		return false, nil
	}
	c.seen = seen
	c.failed.Store(err != nil)
	if err != nil {
		return false, fmt.Errorf("TLS: %w", err)
	}
	c.current.Store(l)
	return true, nil
}

// load reads the files. seen tells this state of them from any other.
func (c *Certificates) load() (l *loaded, seen [32]byte, err error) {
	h := sha256.New()
	read := func(name string) []byte {
		if err != nil || name == "" {
			return nil
		}
		var b []byte
		if b, err = disk.ReadFile(disk.OS, name, maxPEM); err == nil {
			sum := sha256.Sum256(b)
			h.Write(sum[:])
		}
		return b
	}
	certificate, key, authorities := read(c.files.Certificate), read(c.files.Key), read(c.files.ClientCA)
	if err == nil {
		err = disk.CheckPrivate(c.files.Key)
	}
	if err == nil {
		l, err = c.parse(certificate, key, authorities)
	}
	if err != nil {
		h.Write([]byte(err.Error()))
	}
	return l, [32]byte(h.Sum(nil)), err
}

func (c *Certificates) parse(certificate, key, authorities []byte) (*loaded, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its key: %w", c.files.Certificate, c.files.Key, err)
	}
	if !c.clock().Before(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("%s: the certificate expired on %s", c.files.Certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}, Time: c.clock,
	}
	if c.files.ClientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("%s: there is no certificate in it", c.files.ClientCA)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		// A session that is taken up again would skip what changed since.
		config.SessionTicketsDisabled = true
	}
	return &loaded{config, pair.Leaf.NotAfter}, nil
}

// Config is what a server listens with; it follows Reload.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if l := c.current.Load(); l != nil {
			return l.config, nil
		}
		return nil, errors.New("no certificate")
	}}
}

// Until is when the certificate in use expires.
func (c *Certificates) Until() time.Time { return c.current.Load().until }

// Failed reports whether what the files hold now cannot be used.
func (c *Certificates) Failed() bool { return c.failed.Load() }

// Follow looks now and then whether the files have changed, until ctx ends.
func (c *Certificates) Follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch changed, err := c.Reload(); {
		case err != nil:
			log.Error("new certificates cannot be used; those before stay", "err", err)
		case changed:
			log.Info("new certificates are in use", "until", c.Until())
		}
	}
}
