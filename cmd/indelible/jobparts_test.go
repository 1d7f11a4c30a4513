package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"indelible/internal/jobs"
	"indelible/internal/store/s3/s3test"
)

// TestSampleParts: samples that are taken as planned read each place of the log
// within the days, one after the other, and so do those of a log that grows.
func TestSampleParts(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 2, 7, 30} {
		for _, every := range []time.Duration{time.Hour, 24 * time.Hour} {
			for _, grows := range []uint64{0, 1, 100} {
				size, next := uint64(100_000), uint64(0)
				first := size
				for taken := time.Duration(0); taken+every <= time.Duration(days)*24*time.Hour; taken += every {
					r := samplePart(next, size, every, days)
					if r.First != next || r.End <= r.First || r.End > size {
						t.Fatalf("%d days, every %s: from %d of %d: %+v", days, every, next, size, r)
					}
					if r.End >= first { // all that was there at first
						first = 0
					}
					next = r.End % size
					size += grows
				}
				if first != 0 {
					t.Errorf("%d days, every %s, %d more each time: it comes to %d of %d", days, every, grows, next, size)
				}
			}
		}
	}
	if r := samplePart(500, 100, time.Hour, 7); r.First != 0 {
		t.Errorf("in a log that is shorter than it was: %+v", r)
	}
	if r := samplePart(0, 100, 30*24*time.Hour, 7); r.End != 100 {
		t.Errorf("after a month without one: %+v", r)
	}
}

// TestExpire: the newest datasets stay, as many as are asked for; the others
// are deleted, and what is no dataset is left alone.
func TestExpire(t *testing.T) {
	t.Parallel()
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(x.dir, "runs.db")
	x.run("sample", "runs", "--rows", "50", "--sqlite", db).want(exitOK)
	place := filepath.Join(x.dir, "exports")
	for _, name := range []string{"first", "second", "third"} {
		x.run("export", "--mask", "off", "--no-rls", "--sqlite", db, "--tenant", "acme", "--out", filepath.Join(place, name)).want(exitOK)
	}
	other := filepath.Join(place, "notes", "read.me")
	if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.configure("schedules:\n  tidy:\n    when: daily 02:00\n    run: expire\n    with: {place: exports, last: 2}\n")
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	x.at("2026-03-02T02:00:01Z")
	r := x.state("tidy@2026-03-02T02:00:00Z", jobs.StateSucceeded)
	p.end()
	var told expired
	if err := json.Unmarshal(r.Result, &told); err != nil || told.Kept != 2 || len(told.Deleted) != 1 || told.Deleted[0] != "first" {
		t.Errorf("%s: %v", r.Result, err)
	}
	for _, name := range []string{"second", "third"} {
		x.run("dataset", "verify", filepath.Join(place, name)).want(exitOK)
	}
	if left, err := filepath.Glob(filepath.Join(place, "first", "*")); err != nil || len(left) != 0 {
		t.Errorf("left of the first: %v, %v", left, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// TestExpireInBucket: datasets and chains of a bucket go when they are old
// enough, the chain by its newest link, and not before.
func TestExpireInBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.env = maps.Clone(x.env)
	maps.Copy(x.env, map[string]string{"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey})
	x.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(x.dir, "runs.db")
	x.run("sample", "runs", "--rows", "50", "--sqlite", db).want(exitOK)
	x.run("runs", "migrate", "--sqlite", db, "--apply").want(exitOK)
	x.configure(`sources:
  flows: {sqlite: runs.db}
schedules:
  dated: {when: daily 01:00, run: export, with: {source: flows, all_tenants: true, mask: 'off', out: 's3://` + bucket + `/sets/{date}'}}
  chained: {when: weekly mon 01:30, run: export, with: {source: flows, all_tenants: true, mask: 'off', incremental: weekly, out: 's3://` + bucket + `/sets/chain'}}
  tidy: {when: daily 02:00, run: expire, with: {place: 's3://` + bucket + `/sets', keep: 2d}}
`)
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	tidied := func(day string) expired {
		t.Helper()
		x.at(day + "T01:31:00Z")
		x.state("dated@"+day+"T01:00:00Z", jobs.StateSucceeded)
		if date, err := time.Parse(time.DateOnly, day); err == nil && date.Weekday() == time.Monday {
			x.state("chained@"+day+"T01:30:00Z", jobs.StateSucceeded)
		}
		x.at(day + "T02:00:00Z")
		var told expired
		if err := json.Unmarshal(x.state("tidy@"+day+"T02:00:00Z", jobs.StateSucceeded).Result, &told); err != nil {
			t.Fatal(err)
		}
		return told
	}
	for _, d := range []struct {
		day     string
		kept    int
		deleted []string
	}{
		{"2026-03-02", 2, nil}, {"2026-03-03", 3, nil}, {"2026-03-04", 2, []string{"chain", "2026-03-02"}}, {"2026-03-05", 2, []string{"2026-03-03"}},
	} {
		told := tidied(d.day)
		slices.Sort(told.Deleted)
		slices.Sort(d.deleted)
		if told.Kept != d.kept || !slices.Equal(told.Deleted, d.deleted) {
			t.Errorf("%s: %+v, want %d kept and %v deleted", d.day, told, d.kept, d.deleted)
		}
	}
	p.end()
	x.run("dataset", "verify", "s3://"+bucket+"/sets/2026-03-05/").want(exitOK)
	x.run("dataset", "verify", "s3://"+bucket+"/sets/2026-03-03/").want(exitUsage)
	if n := strings.Count(x.run("search", "--tenant-id", "_system", "--event-type", "dataset.purged", "--json").want(exitOK).out, "\n"); n != 3 {
		t.Errorf("%d events say that datasets were deleted, want 3", n)
	}
}

// TestScheduledExportAway: a bucket that is away when an export is due costs
// attempts, and nothing else: the run is made once, when it is back.
func TestScheduledExportAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	x := newTimed(t, "2026-03-01T12:00:00Z")
	maps.Copy(x.env, map[string]string{"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey})
	x.run("init", "--origin", "test.example/log").want(exitOK)
	x.run("sample", "runs", "--rows", "50", "--sqlite", filepath.Join(x.dir, "runs.db")).want(exitOK)
	x.configure(`sources:
  flows: {sqlite: runs.db}
schedules:
  nightly: {when: daily 01:00, run: export, with: {source: flows, all_tenants: true, mask: 'off', out: 's3://` + bucket + `/sets/{date}'}}
`)
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	server.Stop()
	x.at("2026-03-02T01:00:01Z")
	const id = "nightly@2026-03-02T01:00:00Z"
	x.until("an attempt has failed", func() bool {
		return slices.ContainsFunc(x.list(), func(r *jobs.Run) bool { return r.ID == id && r.Attempt > 0 && r.Error != "" })
	})
	server.Start()
	r := x.state(id, jobs.StateSucceeded)
	p.end()
	if r.Attempt < 2 || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if begun, done := x.events(id, "job.retrying"), x.events(id, "job.succeeded"); begun < 1 || done != 1 {
		t.Errorf("%d events of another attempt, %d of success", begun, done)
	}
	x.run("dataset", "verify", "s3://"+bucket+"/sets/2026-03-02/").want(exitOK, "rows        50")
}
