package main

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"indelible"
	"indelible/internal/recorder"
	"indelible/internal/sample"
)

// benchRoad measures the CPU from an event's JSON to a record: parse, validate,
// canonicalise, hash, build and hash the payload.
func benchRoad(_ context.Context, _ *env) error {
	var lines [][]byte
	bytes := 0
	for e := range sample.Events(1, 20000) {
		line := e.AppendJSON(nil)
		lines = append(lines, line)
		bytes += len(line)
	}
	best := time.Duration(1 << 62)
	for range 5 {
		runtime.GC()
		begun := cpu()
		for _, line := range lines {
			e, err := indelible.ParseEvent(line)
			if err != nil {
				return err
			}
			e.AuditHash()
			if _, err := indelible.HashPayload(recorder.Plain.Payload(e)); err != nil {
				return err
			}
		}
		best = min(best, (cpu()-begun)/time.Duration(len(lines)))
	}
	row(fmt.Sprintf("whole road from event JSON of %d bytes, CPU an event", bytes/len(lines)), fmt.Sprintf("%.1f µs", float64(best)/1e3), "6 µs", "10 µs")
	return nil
}

// cpu is the CPU time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
