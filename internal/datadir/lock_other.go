//go:build !unix

package datadir

import (
	"context"
	"errors"
)

// ErrLocked: writing is not possible on this system.
var ErrLocked = errors.New("ledgers can be verified on this system, not written: it has no file locks and directory syncs to rely on")

// Lock is the right to write.
type Lock struct{}

// TryLock fails: this system cannot hold a ledger.
func TryLock(string) (*Lock, error) { return nil, ErrLocked }

// WaitLock fails: this system cannot hold a ledger.
func WaitLock(context.Context, string) (*Lock, error) { return nil, ErrLocked }

// Release does nothing.
func (l *Lock) Release() error { return nil }
