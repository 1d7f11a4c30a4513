//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreFileLimit makes a file that reaches the limit of its size (ulimit -f) an
// error of the write instead of the end of the program.
func ignoreFileLimit() { signal.Ignore(syscall.SIGXFSZ) }
