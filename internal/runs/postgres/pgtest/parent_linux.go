package pgtest

import "syscall"

func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = immediateShutdown }
