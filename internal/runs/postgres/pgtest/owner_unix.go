//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// immediateShutdown makes the server end at once, without a checkpoint.
const immediateShutdown = syscall.SIGQUIT

// PostgreSQL does not run as root: then it runs as the user its package made,
// or as nobody.
func serverUser() (uid, gid uint32, other bool, err error) {
	if os.Getuid() != 0 {
		return 0, 0, false, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("find a user for PostgreSQL, which does not run as root: %w", err)
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, 0, false, err
	}
	group, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return 0, 0, false, err
	}
	return uint32(id), uint32(group), true, nil
}

// own gives a file to the user the server runs as.
func own(name string) error {
	uid, gid, other, err := serverUser()
	if err != nil || !other {
		return err
	}
	return os.Chown(name, int(uid), int(gid))
}

// asOwner runs a program as that user. A server ends with the tests, however
// they end.
func asOwner(server bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if server {
		endWithParent(attr)
	}
	if uid, gid, other, err := serverUser(); err == nil && other {
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attr
}
