//go:build unix

package main

import "syscall"

// connections is how many a server takes at once: so many that a flood of them
// leaves the files that journal, store and index need.
func connections() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return connectionsOf(0)
	}
	return connectionsOf(uint64(r.Cur))
}
