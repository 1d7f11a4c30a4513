package main

import (
	"os"
	"runtime/pprof"
)

// profile writes a CPU profile to the file BENCH_PROFILE names, if any.
func profile() (stop func()) {
	name := os.Getenv("BENCH_PROFILE")
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err != nil {
		return func() {}
	}
	pprof.StartCPUProfile(f)
	return func() { pprof.StopCPUProfile(); f.Close() }
}
