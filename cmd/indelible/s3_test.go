package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/store/s3/s3test"
)

// machine is a computer with a data directory: its environment, and everything
// it ever printed.
type machine struct {
	t       *testing.T
	dir     string
	env     map[string]string
	printed bytes.Buffer
}

func newMachine(t *testing.T, env map[string]string) *machine {
	t.Helper()
	home := t.TempDir()
	m := &machine{t: t, dir: filepath.Join(home, "log"), env: map[string]string{"HOME": home}}
	maps.Copy(m.env, env)
	return m
}

// s3Machine has its ledger's bucket in the environment.
func s3Machine(t *testing.T, server *s3test.Server, bucket string) *machine {
	t.Helper()
	return newMachine(t, map[string]string{
		"S3_AUDIT_BUCKET": bucket, "S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region,
		"S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey,
	})
}

// output is what a command printed.
type output struct {
	t        *testing.T
	args     []string
	code     int
	out, err string
}

func (m *machine) run(args ...string) output { m.t.Helper(); return m.runWith("", args...) }

func (m *machine) runWith(stdin string, args ...string) output {
	m.t.Helper()
	return m.runReading(m.t.Context(), strings.NewReader(stdin), args...)
}

func (m *machine) runReading(ctx context.Context, stdin io.Reader, args ...string) output {
	m.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"--dir", m.dir}, args...)
	code := run(ctx, args, stdin, &out, &errs, func(name string) string { return m.env[name] })
	m.printed.Write(out.Bytes())
	m.printed.Write(errs.Bytes())
	return output{m.t, args[2:], code, out.String(), errs.String()}
}

// want fails the test unless the command ended so.
func (o output) want(code int, texts ...string) output {
	o.t.Helper()
	if o.code != code {
		o.t.Fatalf("%v: exit %d, want %d\n%s%s", o.args, o.code, code, o.out, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.out+o.err, text) {
			o.t.Errorf("%v says nothing of %q:\n%s%s", o.args, text, o.out, o.err)
		}
	}
	return o
}

// receipts reads what append printed.
func (o output) receipts() (list []indelible.Receipt) {
	o.t.Helper()
	for line := range strings.Lines(o.out) {
		var r indelible.Receipt
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			o.t.Fatalf("%v: %v in %q", o.args, err, line)
		}
		list = append(list, r)
	}
	return list
}

// verify runs verify and reads its report.
func (m *machine) verify(code int, args ...string) *ledger.Report {
	m.t.Helper()
	o := m.run(append([]string{"verify", "--json"}, args...)...).want(code)
	var r ledger.Report
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		m.t.Fatal(err)
	}
	return &r
}

// wantClean fails the test unless the log holds exactly n events and nothing is wrong.
func (m *machine) wantClean(n int, args ...string) {
	m.t.Helper()
	if r := m.verify(exitOK, args...); r.Events != uint64(n) || len(r.Problems) > 0 || r.Pending != 0 {
		m.t.Errorf("%d events, %d pending, problems %+v, want %d events and no problem", r.Events, r.Pending, r.Problems, n)
	}
}

// sampleLines makes events first to first+n−1, one JSON object a line.
func sampleLines(first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, `{"id":"%08x-0000-4000-8000-000000000001","timestamp":"2025-01-02T03:04:05Z","event_type":"data_access","user_id":"user-%d","tenant_id":"tenant-%d","resource_type":"dataset","resource_id":"d-%d","action":"read","outcome":"success","details":{"n":%d}}`+"\n", i, i%50, i%7, i%11, i)
	}
	return b.String()
}

// wantNoSecret looks for a secret in all that was printed and in all files.
func (m *machine) wantNoSecret(secret string) {
	m.t.Helper()
	if bytes.Contains(m.printed.Bytes(), []byte(secret)) {
		m.t.Error("a secret was printed")
	}
	err := filepath.WalkDir(m.env["HOME"], func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(secret)) {
			m.t.Errorf("%s holds a secret", name)
		}
		return err
	})
	if err != nil {
		m.t.Error(err)
	}
}

func durabilities(list []indelible.Receipt) map[string]int {
	n := make(map[string]int)
	for _, r := range list {
		n[r.Durability]++
	}
	return n
}

func problemsOf(r *ledger.Report) (objects []string) {
	for _, p := range r.Problems {
		objects = append(objects, p.Object)
	}
	slices.Sort(objects)
	return objects
}
