package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"indelible"
)

// ErrRotated: the log has another log key than this directory.
var ErrRotated = errors.New("the log key was rotated, and this directory does not hold the new one")

// signers are the keys a checkpoint of this state is signed with: the one the
// log itself says is the current, then those before it that we still hold,
// while a rotation overlaps. A key the log does not know signs nothing.
func (s *state) signers(held []ed25519.PrivateKey) ([]ed25519.PrivateKey, error) {
	var keys []ed25519.PrivateKey
	for _, k := range held {
		if publicKey(k) == s.logKey {
			keys = append(keys, k)
			break
		}
	}
	if len(keys) == 0 {
		return nil, ErrRotated
	}
	for _, k := range held {
		if p := publicKey(k); p != s.logKey && slices.Contains(s.oldKeys, p) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// openWithAny opens a checkpoint with the first of our keys that fits.
func openWithAny(signed []byte, origin string, held []ed25519.PrivateKey) (c *Checkpoint, err error) {
	for _, key := range held {
		vkey, kerr := indelible.FormatVerifierKey(origin, publicKey(key))
		if kerr != nil {
			return nil, kerr
		}
		if c, err = OpenCheckpoint(signed, vkey); err == nil {
			return c, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: no log key is held", ErrWrongKey)
	}
	return nil, err
}

// Hold has the ledger sign checkpoints with one more key, from the time the log
// says that it is the log's.
func (l *Ledger) Hold(key ed25519.PrivateKey) {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	if !slices.ContainsFunc(l.held, func(k ed25519.PrivateKey) bool { return k.Equal(key) }) {
		l.held = append(slices.Clone(l.held), key)
	}
}

// logKeys are the log keys this process holds.
func (l *Ledger) logKeys() []ed25519.PrivateKey {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	return l.held
}

// SignedBy reports whether the published checkpoint, as far as this process
// knows it, carries a signature by the key.
func (l *Ledger) SignedBy(key indelible.PublicKey) bool {
	vkey, err := indelible.FormatVerifierKey(l.cfg.Origin, key)
	if err != nil {
		return false
	}
	l.mu.Lock()
	signed := l.signed
	l.mu.Unlock()
	_, err = OpenCheckpoint(signed, vkey)
	return err == nil
}

// LogKey is the log's current key, as the log itself says, once it was replayed.
func (l *Ledger) LogKey() (key indelible.PublicKey, ok bool) {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	if l.state == nil {
		return key, false
	}
	return l.state.logKey, true
}

func (l *Ledger) setSigned(signed []byte) {
	l.mu.Lock()
	l.signed = signed
	l.mu.Unlock()
}
