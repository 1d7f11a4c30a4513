// Package pgtest runs a private PostgreSQL for tests: a cluster of its own in a
// temporary directory, reached over loopback and a Unix socket, gone when the
// tests are.
package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Cluster is a running PostgreSQL. Over its socket everybody is who they say;
// over loopback a password is asked for.
type Cluster struct {
	Socket   string // the directory of the Unix socket
	Port     int
	Data     string // the data directory
	User     string // the superuser
	Password string
	Programs string // the directory of psql and the others

	psql   string
	base   string // holds everything
	log    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// settings make a cluster quick to start and its tests independent of the
// machine. Nothing in it outlives the tests, so nothing is synced.
var settings = []string{
	"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB",
	"max_prepared_transactions=10", "wal_level=replica", "max_wal_senders=4", "max_wal_size=2GB", "timezone=UTC", "log_min_messages=fatal",
	"listen_addresses=127.0.0.1",
}

const password = "test-password"

var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

var databases atomic.Uint64

// Main is the TestMain of a package whose tests use Shared:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }
func Main(run func() int) int {
	code := run()
	if c := shared.cluster; c != nil {
		if err := c.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// Shared is the one cluster of a package's tests, started by the first that
// asks.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = Start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// Start makes a cluster and starts it. Whoever calls it stops it.
func Start(more ...string) (*Cluster, error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	return start(bin, bin, more)
}

// start makes a cluster of the programs in one directory, asked with the psql of
// another.
func start(bin, client string, more []string) (*Cluster, error) {
	c, err := newCluster(bin)
	if err != nil {
		return nil, err
	}
	c.psql = filepath.Join(client, "psql")
	if err = c.make(); err == nil {
		err = c.start(more)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func newCluster(bin string) (*Cluster, error) {
	// A socket's path must be short, and the server may run as another user than
	// the owner of the temporary directory.
	base, err := os.MkdirTemp("/tmp", "indelible-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Socket: base, Data: filepath.Join(base, "data"), User: "postgres", Password: password, base: base, Programs: bin, psql: filepath.Join(bin, "psql"), log: filepath.Join(base, "log")}
	if err := own(base); err != nil {
		return nil, errors.Join(err, os.RemoveAll(base))
	}
	return c, nil
}

func (c *Cluster) make() error {
	pw := filepath.Join(c.base, "password")
	if err := os.WriteFile(pw, []byte(password), 0o600); err != nil {
		return err
	}
	if err := own(pw); err != nil {
		return err
	}
	return c.Command("initdb", "-D", c.Data, "-U", c.User, "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+pw,
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
}

// Command runs one of PostgreSQL's programs as the user the cluster runs as.
func (c *Cluster) Command(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.Programs, name), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, c.base
	cmd.SysProcAttr = asOwner(false)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// start starts the server and waits until it answers. Somebody else may take
// the free port first: then it takes another.
func (c *Cluster) start(more []string) error {
	for try := 0; ; try++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.Port = port
		if err = c.launch(more); err == nil {
			return nil
		}
		if try == 4 {
			return err
		}
	}
}

func (c *Cluster) launch(more []string) error {
	args := []string{"-D", c.Data, "-p", strconv.Itoa(c.Port), "-k", c.Socket}
	for _, s := range append(append([]string{}, settings...), more...) {
		args = append(args, "-c", s)
	}
	out, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer out.Close()
	c.cmd = exec.Command(filepath.Join(c.Programs, "postgres"), args...)
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Dir = out, out, c.base
	c.cmd.SysProcAttr = asOwner(true)
	if err := c.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func(cmd *exec.Cmd) { cmd.Wait(); close(exited) }(c.cmd)
	c.exited = exited
	if err := c.ready(); err != nil {
		c.Kill()
		text, _ := os.ReadFile(c.log)
		return fmt.Errorf("start PostgreSQL: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// ready waits until the server says so in its postmaster.pid, which is its own:
// whoever else took the port does not write there.
func (c *Cluster) ready() error {
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		text, err := os.ReadFile(filepath.Join(c.Data, "postmaster.pid"))
		lines := strings.Split(string(text), "\n")
		if err == nil && len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(c.cmd.Process.Pid) {
			if state := strings.TrimSpace(lines[7]); state == "ready" || state == "standby" {
				return nil
			}
		}
		select {
		case <-deadline.C:
			return errors.New("it gives no answer")
		case <-c.exited:
			return errors.New("it ended")
		case <-again.C:
		}
	}
}

// Stop ends the server, at once, and removes all it had.
func (c *Cluster) Stop() error {
	c.Kill()
	return os.RemoveAll(c.base)
}

// Kill ends the server as a machine that fails would.
func (c *Cluster) Kill() {
	if c.cmd == nil {
		return
	}
	c.cmd.Process.Signal(immediateShutdown)
	<-c.exited
	c.cmd = nil
}

// DSN is a connection over the socket, without a password. Empty is the
// superuser.
func (c *Cluster) DSN(database, user string) string {
	if user == "" {
		user = c.User
	}
	q := url.Values{"host": {c.Socket}, "port": {strconv.Itoa(c.Port)}, "user": {user}, "dbname": {database}}
	return "postgres://?" + q.Encode()
}

// TCP is a connection over loopback, with a password.
func (c *Cluster) TCP(database, user, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)), Path: database}
	return u.String()
}

// NewDatabase makes an empty database and gives its name.
func (c *Cluster) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	c.SQL(t, "postgres", "CREATE DATABASE "+name+" TEMPLATE template0")
	return name
}

// SQL runs statements with psql as the superuser and gives what it prints:
// rows without headings, columns with | between.
func (c *Cluster) SQL(t testing.TB, database, sql string) string {
	t.Helper()
	out, err := c.PSQL(c.DSN(database, ""), sql)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return out
}

// PSQL runs statements with psql over a connection.
func (c *Cluster) PSQL(dsn, sql string) (string, error) {
	cmd := exec.Command(c.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-")
	cmd.Stdin = strings.NewReader(sql)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
