package s3test

import "syscall"

// dieWithParent ends the gateway with a test process that could not clean up.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
