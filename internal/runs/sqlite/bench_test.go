package sqlite

import (
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/runs"
)

// BenchmarkScan reads rows beside what the sqlite3 program needs to write them
// as JSON to nobody.
func BenchmarkScan(b *testing.B) {
	const n = 300_000
	begun := time.Now()
	file := newFile(b, 1, n)
	b.Logf("%.0f rows a second to make it", n/time.Since(begun).Seconds())
	const asJSON = `.output /dev/null
SELECT json_object('id', id, 'tenant_id', tenant_id, 'workflow_name', workflow_name, 'workflow_version', workflow_version, 'status', status,
'started_at', started_at, 'completed_at', completed_at, 'duration_ms', duration_ms, 'steps_completed', steps_completed, 'steps_total', steps_total,
'error_message', error_message, 'metadata', json(metadata), 'created_at', created_at) FROM workflow_runs`
	for _, jobs := range []int{1, 2} {
		b.Run(fmt.Sprint("jobs=", jobs), func(b *testing.B) { benchmarkScan(b, file, n, jobs, asJSON) })
	}
}

func benchmarkScan(b *testing.B, file string, n int64, jobs int, asJSON string) {
	var other, scanned time.Duration
	q := everything
	q.Jobs = jobs
	for b.Loop() {
		begun := time.Now()
		if out, err := exec.Command("sqlite3", "-readonly", file, asJSON[:len(".output /dev/null")], asJSON[len(".output /dev/null")+1:]).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		other += time.Since(begun)
		begun = time.Now()
		snap, err := source(b, file).Open(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		var rows atomic.Int64
		shards := make(chan int, snap.Info().Shards)
		for shard := range snap.Info().Shards {
			shards <- shard
		}
		close(shards)
		var group sync.WaitGroup
		for range jobs {
			group.Go(func() {
				n := int64(0)
				for shard := range shards {
					if err := snap.Scan(b.Context(), "", shard, func(*runs.Run) error { n++; return nil }); err != nil {
						b.Error(err)
					}
				}
				rows.Add(n)
			})
		}
		group.Wait()
		snap.Close()
		scanned += time.Since(begun)
		if rows.Load() != n {
			b.Fatalf("%d rows", rows.Load())
		}
	}
	b.ReportMetric(other.Seconds()/scanned.Seconds(), "of-sqlite3")
}
