package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate that signs itself, and its key.
func (m *machine) certificate(serial int64) {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		m.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	m.put("server.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func (m *machine) put(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// configure adds sections to indelible.yaml.
func (m *machine) configure(text string) {
	m.t.Helper()
	m.put("indelible.yaml", string(m.read("indelible.yaml"))+text)
}

// TestServeTLS: a server speaks TLS as indelible.yaml says, and takes new
// certificates while it runs.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.configure("server:\n  tls:\n    certificate: server.pem\n    key: server.key\n")
	m.run("serve").want(exitUsage, "error: TLS: ", "hint: look at server.tls in indelible.yaml")
	m.certificate(1)
	s := m.serve("--metrics", "127.0.0.1:0", "--verify-every", "0")
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it listens at %s", s.url)
	}
	s.http.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	serial := func() int64 {
		resp, _ := s.ask("GET", "/healthz", "", "")
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	metrics := func() string {
		resp, err := http.Get(s.said("metrics").Address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d", n)
	}
	m.put("server.pem", "nothing")
	if l := s.said("new certificates cannot be used; those before stay"); l.Level != "ERROR" || l.Err == "" {
		t.Errorf("%+v", l)
	}
	if n, text := serial(), metrics(); n != 1 || !strings.Contains(text, "\nindelible_tls_reload_failed 1\n") {
		t.Errorf("certificate %d, metrics\n%s", n, text)
	}
	m.certificate(2)
	s.until("certificate 2", func() bool { return serial() == 2 })
	if text := metrics(); !strings.Contains(text, "\nindelible_tls_reload_failed 0\n") || !strings.Contains(text, "\nindelible_tls_certificate_expiry_timestamp_seconds 1") {
		t.Errorf("metrics\n%s", text)
	}
	s.stop().want(exitOK)
}
