//go:build linux || darwin

package main

import "syscall"

// diskUsed is how full the disk of a directory is for who writes there now.
func diskUsed(dir string) (ratio float64, ok bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil || s.Blocks == 0 {
		return 0, false
	}
	used := float64(s.Blocks - s.Bfree)
	return used / (used + float64(s.Bavail)), true
}
