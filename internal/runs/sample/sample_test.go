package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"indelible/internal/runs"
)

func digest(seed uint64, n int) string {
	h := sha256.New()
	for r := range Runs(seed, n) {
		fmt.Fprintf(h, "%q %q %q %q %q %v %v %v %v %v %q %q %v\n", r.ID, r.TenantID, r.WorkflowName, r.WorkflowVersion, r.Status, r.StartedAt, r.CompletedAt,
			r.DurationMS, r.StepsCompleted, r.StepsTotal, r.ErrorMessage, r.Metadata, r.CreatedAt)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The runs of a seed are for ever the same: examples and tests count on it.
func TestRunsAreDeterministic(t *testing.T) {
	t.Parallel()
	if got, want := digest(42, 1000), "6b7d08169c8e01347065ced7e979e69eeec3eb57488dadf45aca84a54e0d5eb7"; got != want {
		t.Errorf("seed 42 gives %s, want %s", got, want)
	}
	if digest(1, 100) == digest(2, 100) {
		t.Error("two seeds, the same runs")
	}
	for range Runs(1, 10) {
		break
	}
	for range Runs(1, 0) {
		t.Error("a run more than asked for")
	}
}

func TestRunsArePlausible(t *testing.T) {
	t.Parallel()
	const n = 100_000
	var rows, size, retries, people, nasty int
	ids, statuses, tenants, workflows := map[string]bool{}, map[string]int{}, map[string]int{}, map[string]bool{}
	var hours [24]int
	failedIn := map[int64]int{} // by workflow and hour
	var last int64
	for r := range Runs(1, n) {
		rows++
		ids[string(r.ID)] = true
		statuses[string(r.Status)]++
		tenants[string(r.TenantID)]++
		workflows[string(r.WorkflowName)] = true
		if r.CreatedAt.Micros < last {
			t.Fatalf("%v comes after %d", r.CreatedAt, last)
		}
		last = r.CreatedAt.Micros
		hours[last/hour%24]++
		var m struct {
			Attempt     int
			RetryOf     string `json:"retry_of"`
			RequestedBy string `json:"requested_by"`
			Note        *string
			Resources   struct {
				CPU    *float64 `json:"cpu_seconds"`
				Memory int      `json:"memory_peak_mb"`
			}
		}
		if err := json.Unmarshal(r.Metadata, &m); err != nil {
			t.Fatalf("%s: %v", r.Metadata, err)
		}
		if m.Resources.CPU == nil || m.Resources.Memory == 0 || m.Attempt == 0 {
			t.Fatalf("no resources in %s", r.Metadata)
		}
		if m.Attempt > 1 {
			retries++
			if !ids[m.RetryOf] {
				t.Fatalf("a retry of %q, which is not there", m.RetryOf)
			}
		}
		if m.RequestedBy != "" {
			people++
		}
		if m.Note != nil {
			nasty++
		}
		checkTimes(t, r)
		if string(r.Status) == "failed" {
			failedIn[last/hour]++
		}
		size += len(r.ID) + len(r.Metadata) + len(r.ErrorMessage) + 300
	}
	if rows != n || len(ids) != n || len(tenants) != 5 || len(workflows) != 10 {
		t.Errorf("%d rows, %d ids, tenants %v, workflows %v", rows, len(ids), tenants, workflows)
	}
	for status, least := range map[string]int{"completed": 80_000, "failed": 1000, "timeout": 100, "cancelled": 500, "skipped": 100, "running": 50} {
		if statuses[status] < least {
			t.Errorf("statuses %v", statuses)
		}
	}
	if retries < 1000 || people < 5000 || nasty < 1000 {
		t.Errorf("%d retries, %d with a person, %d with a note", retries, people, nasty)
	}
	if hours[10] < 2*hours[23] || hours[2] < 2*hours[4] {
		t.Errorf("no daily rhythm: %v", hours)
	}
	// Failures cluster: the worst tenth of the hours has most of them.
	if share := worstTenth(failedIn, int(last/hour-Start.UnixMicro()/hour)); share < 0.3 {
		t.Errorf("the worst tenth of the hours has %.2f of the failures", share)
	}
	if average := size / n; average < 480 || average > 680 {
		t.Errorf("a row has about %d bytes", average)
	}
}

func worstTenth(byHour map[int64]int, hours int) float64 {
	var counts []int
	total := 0
	for _, c := range byHour {
		counts = append(counts, c)
		total += c
	}
	worst := 0
	for range hours / 10 {
		best := 0
		for i, c := range counts {
			if c > counts[best] {
				best = i
			}
		}
		worst += counts[best]
		counts[best] = 0
	}
	return float64(worst) / float64(total)
}

func checkTimes(t *testing.T, r *runs.Run) {
	t.Helper()
	running := string(r.Status) == "running"
	switch {
	case running == r.CompletedAt.Valid, running == r.DurationMS.Valid,
		r.CompletedAt.Valid && r.StartedAt.Valid && r.CompletedAt.Micros-r.StartedAt.Micros != r.DurationMS.N*1000,
		r.StartedAt.Valid && r.StartedAt.Micros < r.CreatedAt.Micros,
		r.StepsCompleted.N > r.StepsTotal.N,
		string(r.Status) == "failed" && len(r.ErrorMessage) == 0,
		bytes.Contains(r.Metadata, []byte("\n")):
		t.Fatalf("%+v does not fit together", r)
	}
}

func BenchmarkRuns(b *testing.B) {
	for b.Loop() {
		for range Runs(1, 1000) {
		}
	}
}
