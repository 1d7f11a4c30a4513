package api_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/api"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)})
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.cert)
	return a
}

var serials atomic.Int64

// sign makes a certificate; the first one signs itself.
func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(serials.Add(1)), pkix.Name{CommonName: "test"}
	c.NotBefore = time.Now().Add(-2 * time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

// server makes a certificate for this machine, as PEM.
func (a *authority) server(until time.Time) (certificate, key []byte, serial *big.Int) {
	a.t.Helper()
	c, k := a.sign(&x509.Certificate{NotAfter: until, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return pemOf(c), keyPEM(a.t, k), c.SerialNumber
}

// client makes a certificate somebody shows.
func (a *authority) client(until time.Time) tls.Certificate {
	a.t.Helper()
	c, k := a.sign(&x509.Certificate{NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k}
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t *testing.T, k *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure is a server with certificates and nothing behind them.
type secure struct {
	files        api.CertificateFiles
	certificates *api.Certificates
	address      string
	authority    *authority
}

func startSecure(t *testing.T, clientCA []byte, handler http.Handler) *secure {
	t.Helper()
	dir := t.TempDir()
	s := &secure{files: api.CertificateFiles{Certificate: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}, authority: newAuthority(t)}
	certificate, key, _ := s.authority.server(time.Now().Add(time.Hour))
	put(t, s.files.Certificate, certificate)
	put(t, s.files.Key, key)
	if clientCA != nil {
		s.files.ClientCA = filepath.Join(dir, "clients.pem")
		put(t, s.files.ClientCA, clientCA)
	}
	var err error
	if s.certificates, err = api.LoadCertificates(s.files, nil); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: handler, TLSConfig: s.certificates.Config(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go web.ServeTLS(l, "", "")
	t.Cleanup(func() { web.Close() })
	s.address = l.Addr().String()
	return s
}

// get asks over a connection of its own.
func (s *secure) get(config *tls.Config) (*http.Response, error) {
	config.RootCAs = s.authority.pool
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("https://" + s.address + "/healthz")
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

// TestTLS: what is spoken, and with whom.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	s := startSecure(t, nil, w.server.Handler())
	resp, err := s.get(&tls.Config{})
	if err != nil || resp.StatusCode != 200 || resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 2 || resp.Header.Get("X-Request-Id") == "" {
		t.Fatalf("%+v, %v", resp, err)
	}
	if resp, err = s.get(&tls.Config{MaxVersion: tls.VersionTLS12}); err != nil || resp.TLS.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %v", err)
	}
	for what, config := range map[string]*tls.Config{
		"TLS 1.1":       {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"3DES":          {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
		"RC4":           {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}},
		"no ephemerals": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		"another name":  {ServerName: "elsewhere.example"},
	} {
		if resp, err := s.get(config); err == nil {
			t.Errorf("%s is spoken: %s", what, resp.Status)
		}
	}
	// HTTP/2 gives paths in another way, and they are judged the same.
	h2 := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.pool}, ForceAttemptHTTP2: true}}
	defer h2.CloseIdleConnections()
	for path, want := range map[string]int{"/v1/../healthz": 400, "/v1//events": 400, "/log/%2e%2e/checkpoint": 400, "/log/tile%2f0/000": 400, "/v1/events": 401, "/healthz": 200} {
		r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: s.address, Opaque: path}, Header: http.Header{}}
		resp, err := h2.Do(r)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 2 {
			t.Errorf("%s: %s, %s", path, resp.Proto, resp.Status)
		}
	}
	// Who speaks plain HTTP to it is told so, and gets nothing.
	if resp, err := http.Get("http://" + s.address + "/healthz"); err != nil || resp.StatusCode != 400 {
		t.Errorf("plain HTTP: %+v, %v", resp, err)
	}
}

// TestMutualTLS: a certificate of a client is asked for beside its key.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	clients, strangers := newAuthority(t), newAuthority(t)
	s := startSecure(t, pemOf(clients.cert), w.server.Handler())
	later := time.Now().Add(time.Hour)
	good := clients.client(later)
	if resp, err := s.get(&tls.Config{Certificates: []tls.Certificate{good}}); err != nil || resp.StatusCode != 200 {
		t.Errorf("a client's certificate: %+v, %v", resp, err)
	}
	certificate, key, _ := clients.server(later)
	serving, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string][]tls.Certificate{
		"none": nil, "of another authority": {strangers.client(later)}, "expired": {clients.client(time.Now().Add(-time.Minute))}, "of a server": {serving},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if resp, err := s.get(&tls.Config{MaxVersion: version, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if shown == nil {
					return &tls.Certificate{}, nil
				}
				return &shown[0], nil
			}}); err == nil {
				t.Errorf("a certificate %s is taken: %s", what, resp.Status)
			}
		}
	}
	// The certificate is not instead of a key.
	config := &tls.Config{RootCAs: s.authority.pool, Certificates: []tls.Certificate{good}, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	for range 2 {
		if resp, err := client.Get("https://" + s.address + "/v1/events"); err != nil || resp.StatusCode != 401 || resp.TLS.DidResume {
			t.Errorf("a certificate without a key: %+v, %v", resp, err)
		}
	}
	// An authority that is taken away lets nobody in any more, whoever was before.
	put(t, s.files.ClientCA, pemOf(strangers.cert))
	if changed, err := s.certificates.Reload(); !changed || err != nil {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if resp, err := client.Get("https://" + s.address + "/healthz"); err == nil {
		t.Errorf("a client of the authority before: %s", resp.Status)
	}
}

// TestCertificatesReload: new files are taken, and bad ones change nothing.
func TestCertificatesReload(t *testing.T) {
	t.Parallel()
	s := startSecure(t, nil, http.NotFoundHandler())
	used := func() *big.Int {
		t.Helper()
		resp, err := s.get(&tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber
	}
	first := used()
	certificate, key, _ := s.authority.server(time.Now().Add(time.Hour))
	_, otherKey, _ := s.authority.server(time.Now().Add(time.Hour))
	expired, expiredKey, _ := s.authority.server(time.Now().Add(-time.Hour))
	for what, c := range map[string][2][]byte{
		"no PEM":            {[]byte("nothing"), key},
		"empty":             {nil, nil},
		"of another key":    {certificate, otherKey},
		"expired":           {expired, expiredKey},
		"exchanged":         {key, certificate},
		"cut":               {certificate[:len(certificate)/2], key},
		"larger than taken": {bytes.Repeat([]byte("a"), 2<<20), key},
	} {
		put(t, s.files.Certificate, c[0])
		put(t, s.files.Key, c[1])
		if changed, err := s.certificates.Reload(); changed || err == nil || strings.Contains(err.Error(), "PRIVATE KEY-----") {
			t.Errorf("%s: changed %v, %v", what, changed, err)
		}
		if changed, err := s.certificates.Reload(); changed || err != nil {
			t.Errorf("%s is said twice: changed %v, %v", what, changed, err)
		}
		if !s.certificates.Failed() || used().Cmp(first) != 0 {
			t.Errorf("%s: the certificate before is not in use, or no failure is shown", what)
		}
	}
	put(t, s.files.Certificate, certificate)
	put(t, s.files.Key, key)
	if err := os.Chmod(s.files.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.certificates.Reload(); changed || err == nil {
		t.Errorf("a key that others read: changed %v, %v", changed, err)
	}
	if err := os.Chmod(s.files.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.certificates.Reload(); !changed || err != nil || s.certificates.Failed() || used().Cmp(first) == 0 {
		t.Errorf("a good certificate: changed %v, %v", changed, err)
	}
}

// TestCertificatesUnderLoad: no request fails while certificates change.
func TestCertificatesUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSecure(t, nil, http.NotFoundHandler())
	ctx, end := context.WithCancel(t.Context())
	var requests atomic.Int64
	serials := new(sync.Map)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := s.get(&tls.Config{})
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				serials.Store(resp.TLS.PeerCertificates[0].SerialNumber.String(), true)
				requests.Add(1)
			}
		})
	}
	followed := make(chan struct{})
	var logs syncBuffer
	go func() {
		defer close(followed)
		s.certificates.Follow(ctx, time.Millisecond, slog.New(slog.NewTextHandler(&logs, nil)))
	}()
	for round := range 20 {
		certificate, key, serial := s.authority.server(time.Now().Add(time.Hour))
		if round%3 == 1 {
			put(t, s.files.Certificate, []byte("half of what will"))
		}
		put(t, s.files.Key, key)
		put(t, s.files.Certificate, certificate)
		for {
			if _, ok := serials.Load(serial.String()); ok || t.Failed() {
				break
			}
			<-time.After(time.Millisecond)
		}
	}
	end()
	wg.Wait()
	<-followed
	if requests.Load() < 20 || !strings.Contains(logs.String(), "new certificates are in use") {
		t.Errorf("%d requests, log %s", requests.Load(), logs.String())
	}
}
