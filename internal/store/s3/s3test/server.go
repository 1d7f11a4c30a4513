// Package s3test runs a real S3 server, versitygw, for tests: Object Lock,
// versions, conditional writes and checksums are its own, and it can be killed
// and started again over the same data.
package s3test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Server is one running gateway. It answers on loopback only and goes when the
// test that started it ends.
type Server struct {
	Endpoint  string // http://127.0.0.1:port
	Region    string
	AccessKey string
	SecretKey string

	t       testing.TB
	binary  string
	address string
	data    string

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has ended
	output  *tail
	buckets int
}

// patience is how long a gateway may take to answer after its start.
const patience = 30 * time.Second

// Start starts a gateway with no buckets. It never skips: without the program
// it installs it, and fails if it cannot.
func Start(t testing.TB) *Server {
	t.Helper()
	binary, err := program(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Region: "us-east-1", AccessKey: "test-access", SecretKey: "test-secret-key-0123456789", t: t, binary: binary, data: t.TempDir()}
	for _, dir := range []string{"data", "versions"} {
		if err := os.Mkdir(filepath.Join(s.data, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	// Somebody else may take the free port before the gateway does.
	for try := 0; ; try++ {
		if err := s.choosePort(); err != nil {
			t.Fatal(err)
		}
		err := s.start()
		if err == nil {
			return s
		}
		if try == 4 {
			t.Fatal(err)
		}
	}
}

func (s *Server) choosePort() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("look for a free port: %w", err)
	}
	s.address = l.Addr().String()
	s.Endpoint = "http://" + s.address
	return l.Close()
}

// Start starts a stopped gateway on the same port over the same data.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return errors.New("versitygw runs already")
	}
	s.output = new(tail)
	cmd := exec.Command(s.binary, "--port", s.address, "--quiet", "--keep-alive",
		"posix", "--versioning-dir", filepath.Join(s.data, "versions"), filepath.Join(s.data, "data"))
	cmd.Dir = s.data
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey, "TMPDIR=" + s.data, "HOME=" + s.data}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start versitygw: %w", err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	s.cmd, s.exited = cmd, exited
	if err := s.wait(); err != nil {
		s.kill()
		return err
	}
	return nil
}

// wait returns when the gateway gives an HTTP answer, whatever it says.
func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-s.exited:
			return fmt.Errorf("versitygw on %s ended: %s", s.address, s.output)
		case <-ctx.Done():
			return fmt.Errorf("versitygw on %s gives no answer: %w: %s", s.address, err, s.output)
		case <-again.C:
		}
	}
}

// Stop kills the gateway without a warning, as a machine that fails would, and
// returns when it is gone.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}
