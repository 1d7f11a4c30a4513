package seal

import (
	"errors"
	"fmt"
	"time"

	"indelible"
)

// Why a key is not to be had. All of them reach the caller in a *KeyError.
var (
	ErrErased   = indelible.ErrErased
	ErrNoKey    = errors.New("the key is not in the key store")
	ErrBusy     = errors.New("try again")
	ErrNotReady = errors.New("the log's fences have not been read yet")
)

// KeyError says which key is not to be had, and why. It is indelible.ErrSealed,
// so that whoever can do without the content goes on.
type KeyError struct {
	Key   indelible.ID
	Err   error
	Fence uint64    // of an erased key: the leaf that fenced it; 0: not known
	At    time.Time // of an erased key
}

func (e *KeyError) Error() string {
	var zero indelible.ID
	switch {
	case e.Key == zero:
		return "sealed for a person who was erased: nobody has the key"
	case errors.Is(e.Err, ErrErased):
		return fmt.Sprintf("erased on %s: key %s", e.At.UTC().Format(time.DateOnly), e.Key)
	}
	return fmt.Sprintf("key %s: %s", e.Key, e.Err)
}

func (e *KeyError) Unwrap() []error { return []error{e.Err, indelible.ErrSealed} }

// WrongKeyError says that something does not open under the key it names, or
// that this key is not the one it must be.
type WrongKeyError struct {
	Key indelible.ID
	Err error
}

func (e *WrongKeyError) Error() string { return fmt.Sprintf("key %s: %s", e.Key, e.Err) }

func (e *WrongKeyError) Unwrap() []error { return []error{e.Err, indelible.ErrWrongKey} }
