package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/disk"
	"indelible/internal/journal"
	"indelible/internal/ledger"
	"indelible/internal/runs"
	"indelible/internal/seal"
)

// Exit codes: scripts depend on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitPartial     = 3   // some input was refused
	exitNoLedger    = 10  // no ledger here
	exitOtherWriter = 11  // another writer
	exitWrongKey    = 12  // wrong key
	exitTampered    = 20  // tampering proven
	exitUnverified  = 21  // could not verify
	exitUsage       = 64  // usage
	exitInterrupted = 130 // interrupted
)

// exitError carries an exit code, and a hint what to do. A nil cause means that
// everything has been said already.
type exitError struct {
	code  int
	cause error
	hint  string
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

func usagef(hint, format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...), hint}
}

func failf(code int, hint, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...), hint}
}

// quietExit ends with a code without another word.
func quietExit(code int) error { return &exitError{code: code} }

// report prints an error as error: and hint: lines and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	code, hint := classify(err)
	var exit *exitError
	if errors.As(err, &exit) && exit.cause == nil {
		return code
	}
	// One line, whatever the error repeats of what came from outside.
	fmt.Fprintf(a.stderr, "error: %s\n", visible(strings.ReplaceAll(err.Error(), "\n", "; ")))
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", hint)
	}
	return code
}

// classify finds exit code and hint of an error.
func classify(err error) (code int, hint string) {
	var exit *exitError
	var usage *datadir.UsageError
	var tamper *ledger.TamperError
	var damage *journal.DamageError
	var source *runs.Error
	switch {
	case errors.As(err, &exit):
		return exit.code, exit.hint
	case errors.As(err, &usage):
		return exitUsage, usage.Hint
	case errors.As(err, &source):
		if source.Code == runs.Usage {
			return exitUsage, source.Hint
		}
		return exitFailure, source.Hint
	case errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	case errors.Is(err, datadir.ErrNoLedger):
		return exitNoLedger, "make one with `indelible init`, or name its data directory with --dir"
	case errors.Is(err, datadir.ErrExists), errors.Is(err, ledger.ErrLogExists):
		return exitFailure, "an existing ledger is never overwritten; use another --dir, or `init --attach` to continue a log on this machine"
	case errors.Is(err, datadir.ErrLocked):
		return exitOtherWriter, "wait for the other process to end, or send the events to it"
	case errors.Is(err, ledger.ErrOtherWriter):
		return exitOtherWriter, "if the other writer is gone for good, run the command again with --take-over"
	case errors.As(err, &tamper):
		return exitTampered, "run `indelible verify` for the whole picture; nothing was written"
	case errors.Is(err, indelible.ErrNewerFormat), errors.Is(err, indelible.ErrCriticalField):
		return exitUnverified, "a newer version of this program is needed to read it"
	case errors.Is(err, ledger.ErrWrongKey):
		return exitWrongKey, "use the log.vkey that was handed out when the log began"
	case errors.As(err, new(*disk.OpenFileError)):
		return exitFailure, "" // the error says what to run
	case errors.Is(err, seal.ErrUnavailable):
		return exitFailure, "the service that holds the root key does not answer; try again when it does"
	case errors.Is(err, indelible.ErrSealed), errors.Is(err, indelible.ErrWrongKey), errors.Is(err, seal.ErrUnknownKey), errors.Is(err, seal.ErrDenied), errors.Is(err, datadir.ErrNoKeyStore):
		return exitWrongKey, "`indelible keys restore` brings back keys from a backup"
	case errors.As(err, &damage):
		return exitFailure, "run `indelible doctor --journal`: it sets the damaged bytes aside, names them, and lets the rest go on to the store"
	case errors.Is(err, ledger.ErrExpired):
		return exitFailure, "its leaf is there and proved; what it said is not kept any more"
	case errors.Is(err, ledger.ErrRotated):
		return exitFailure, "restore a newer backup with `indelible keys restore`, or attach this machine again with one"
	case errors.Is(err, datadir.ErrStoreGone):
		return exitFailure, "mount or restore it; if it was removed, the log is gone from here, and a copy elsewhere is what remains"
	case errors.Is(err, ledger.ErrClock):
		return exitFailure, "set the clock right; `indelible doctor --confirm-clock` accepts it as it is"
	}
	return exitFailure, ""
}
