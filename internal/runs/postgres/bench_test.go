package postgres

import (
	"fmt"
	"testing"
	"time"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

// BenchmarkScan reads rows beside what the server needs to give them to nobody:
// as the superuser, and as the exporter of one tenant, whose rows they all are.
func BenchmarkScan(b *testing.B) {
	const n = 300_000
	d := newDatabase(b)
	d.fill(1, n)
	d.migrate(runs.Migration{NoIndex: true})
	d.sql("UPDATE workflow_runs SET tenant_id = 'acme'; VACUUM FULL workflow_runs; ANALYZE workflow_runs")
	for _, user := range []string{"", exportRole} {
		for _, jobs := range []int{1, 2} {
			b.Run(fmt.Sprintf("as=%s/jobs=%d", user, jobs), func(b *testing.B) {
				var copied, scanned time.Duration
				for b.Loop() {
					begun := time.Now()
					d.sql(`COPY workflow_runs TO '/dev/null' (FORMAT binary)`)
					copied += time.Since(begun)
					q := runs.Query{Tenants: []string{"acme"}, NoRLS: user == "", Jobs: jobs}
					begun = time.Now()
					rows := scanAll(b, d.source(user), q)
					scanned += time.Since(begun)
					if rows != n {
						b.Fatalf("%d rows", rows)
					}
				}
				b.ReportMetric(copied.Seconds()/scanned.Seconds(), "of-server-only")
			})
		}
	}
}

// scanAll counts the rows, reading as many shards at a time as there are jobs.
func scanAll(b *testing.B, s *Source, q runs.Query) int {
	snap := runstest.Open(b, s, q)
	defer snap.Close()
	shards := make(chan int, snap.Info().Shards)
	for i := range snap.Info().Shards {
		shards <- i
	}
	close(shards)
	counts := make(chan int)
	for range q.Jobs {
		go func() {
			n := 0
			for shard := range shards {
				if err := snap.Scan(b.Context(), "acme", shard, func(*runs.Run) error { n++; return nil }); err != nil {
					b.Error(err)
				}
			}
			counts <- n
		}()
	}
	rows := 0
	for range q.Jobs {
		rows += <-counts
	}
	return rows
}
