package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// watchMemory samples the process's resident memory, without pages that are
// only a file's cache, until the function returned is called: the peak in bytes.
func watchMemory() func() uint64 {
	stop := make(chan struct{})
	peak := make(chan uint64)
	go func() {
		var most uint64
		for {
			most = max(most, resident())
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(stop); return <-peak }
}

// resident reads RssAnon from /proc; 0 where there is none.
func resident() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			var kb uint64
			fmt.Sscan(rest, &kb)
			return kb << 10
		}
	}
	return 0
}
