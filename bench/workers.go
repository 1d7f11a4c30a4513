package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"indelible/internal/dataset"
	"indelible/internal/dataset/folder"
	"indelible/internal/jobs"
	"indelible/internal/runs/postgres"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/sample"
)

const (
	workersExports = 12
	workersRows    = 100_000
)

// benchWorkers measures three processes that share exports against one, as
// programs: from the first export's beginning to the last one's end.
func benchWorkers(ctx context.Context, e *env) error {
	program := filepath.Join(e.dir, "indelible")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", "..", "-o", program, "./cmd/indelible").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	c, err := pgtest.Start()
	if err != nil {
		return err
	}
	defer c.Stop()
	for _, sql := range []string{"CREATE DATABASE flows", "CREATE DATABASE jobs1", "CREATE DATABASE jobs3"} {
		if out, err := c.PSQL(c.DSN("postgres", ""), sql); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	owner, err := postgres.New(postgres.Config{DSN: c.DSN("flows", "")})
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := owner.Fill(ctx, sample.Runs(1, workersRows), `{"seed":1}`); err != nil {
		return err
	}
	took, content := map[int]time.Duration{}, ""
	for _, processes := range []int{1, 3} {
		t, digest, err := sharedExports(ctx, program, filepath.Join(e.dir, fmt.Sprintf("shared-%d", processes)), c.DSN("flows", ""), c.DSN(fmt.Sprintf("jobs%d", processes), ""), processes)
		if err != nil {
			return err
		}
		if content == "" {
			content = digest
		}
		if digest != content {
			return errors.New("the exports are not the same bytes")
		}
		took[processes] = t
	}
	row(fmt.Sprintf("%d exports of %d rows by three processes (%.1f s), against one (%.1f s)", workersExports, workersRows, took[3].Seconds(), took[1].Seconds()),
		fmt.Sprintf("%.2f", took[1].Seconds()/took[3].Seconds()), "1.0", "0.9")
	return nil
}

// sharedExports has the exports made by so many processes of one ledger, and
// gives the content all of them have.
func sharedExports(ctx context.Context, program, dir, flows, queue string, processes int) (time.Duration, string, error) {
	tell := func(args ...string) ([]byte, error) {
		out, err := exec.CommandContext(ctx, program, append([]string{"--dir", dir}, args...)...).Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%s: %w: %s", args[0], err, failed.Stderr)
		}
		return out, err
	}
	if _, err := tell("init", "--origin", "bench.example/workers"); err != nil {
		return 0, "", err
	}
	var config strings.Builder
	fmt.Fprintf(&config, "sources:\n  flows: {postgres: %q}\njobs:\n  dsn: %q\n  workers: 1\n  limits: {export: %d}\n  per_tenant: %d\nschedules:\n", flows, queue, workersExports, workersExports)
	name := func(i int) string { return fmt.Sprintf("export-%02d", i) }
	for i := range workersExports {
		fmt.Fprintf(&config, "  %s: {when: '0 0 1 1 *', run: export, with: {source: flows, all_tenants: true, no_rls: true, mask: 'off', overwrite: true, out: %s}}\n", name(i), name(i))
	}
	f, err := os.OpenFile(filepath.Join(dir, "indelible.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 0, "", err
	}
	_, err = f.WriteString(config.String())
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, "", err
	}
	for i := range processes {
		args := []string{"--dir", dir, "serve", "--listen", "127.0.0.1:0", "--verify-every", "0"}
		if i > 0 {
			args = []string{"--dir", dir, "worker"}
		}
		p := exec.CommandContext(ctx, program, args...)
		said, err := p.StderrPipe()
		if err != nil {
			return 0, "", err
		}
		if err := p.Start(); err != nil {
			return 0, "", err
		}
		defer func() {
			p.Process.Signal(os.Interrupt)
			p.Wait()
		}()
		if _, err := said.Read(make([]byte, 1)); err != nil { // it listens, or works
			return 0, "", fmt.Errorf("%s: %w", args[2], err)
		}
		go io.Copy(io.Discard, said)
	}
	for i := range workersExports {
		if _, err := tell("schedule", "run", name(i)); err != nil {
			return 0, "", err
		}
	}
	var first, last time.Time
	for done := 0; done < workersExports; {
		select {
		case <-ctx.Done():
			return 0, "", ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		out, err := tell("jobs", "list", "--json")
		if err != nil {
			return 0, "", err
		}
		var list []*jobs.Run
		if err := json.Unmarshal(out, &list); err != nil {
			return 0, "", err
		}
		done = 0
		for _, r := range list {
			if r.State == jobs.StateFailed {
				return 0, "", fmt.Errorf("%s failed: %s", r.ID, r.Error)
			}
			if r.State != jobs.StateSucceeded {
				continue
			}
			done++
			if first.IsZero() || r.Started.Before(first) {
				first = *r.Started
			}
			if r.Finished.After(last) {
				last = *r.Finished
			}
		}
	}
	content := ""
	for i := range workersExports {
		o, err := dataset.Open(ctx, folder.New(filepath.Join(dir, name(i))), "", dataset.Reader{})
		if err != nil {
			return 0, "", err
		}
		d := o.Manifests()[0].Dataset
		sum := fmt.Sprintf("%x", d.ContentDigest[:])
		if content == "" {
			content = sum
		}
		if d.Rows != workersRows || sum != content {
			return 0, "", fmt.Errorf("%s holds %d rows, content %s", name(i), d.Rows, sum)
		}
	}
	return last.Sub(first), content, nil
}
