//go:build !unix

package pgtest

import (
	"os"
	"syscall"
)

var immediateShutdown = os.Kill

func own(string) error { return nil }

func asOwner(bool) *syscall.SysProcAttr { return nil }
