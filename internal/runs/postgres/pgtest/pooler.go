package pgtest

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Pooler runs PgBouncer before the cluster, in transaction mode: every
// transaction may get another of its connections, of which there are so many.
// It gives the DSN of a database by way of it.
func (c *Cluster) Pooler(t testing.TB, database string, connections int) string {
	t.Helper()
	program, err := poolerProgram()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(c.base, fmt.Sprintf("users-%d", port))
	config := filepath.Join(c.base, fmt.Sprintf("pooler-%d.ini", port))
	text := fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = %d
query_wait_timeout = 1
`, c.Socket, c.Port, port, users, connections)
	for name, content := range map[string]string{users: `"` + c.User + `" ""`, config: text} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := own(name); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, config)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, c.base
	cmd.SysProcAttr = asOwner(true)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-exited })
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
		select {
		case <-exited:
			t.Fatalf("PgBouncer ended: %s", &out)
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-again.C:
		}
	}
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: address, Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// poolerProgram finds PgBouncer, and has it installed where it is not.
func poolerProgram() (string, error) {
	find := func() string {
		for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
			if found, err := exec.LookPath(name); err == nil {
				return found
			}
		}
		return ""
	}
	if found := find(); found != "" {
		return found, nil
	}
	if err := install("pgbouncer"); err != nil {
		return "", err
	}
	if found := find(); found != "" {
		return found, nil
	}
	return "", fmt.Errorf("PgBouncer was installed, and is nowhere to be found")
}
