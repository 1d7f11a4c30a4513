package datadir

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"indelible"
	"indelible/internal/disk"
)

// A rotation of the log key takes these steps, each of which a crash may
// follow; whoever writes next goes on from there:
//
//  1. the new key is on disk as log-next.key (NextLogKey)
//  2. a log-key leaf signed by both is in the log
//  3. a checkpoint signed by both is published
//  4. the old key becomes log-previous.key, the new one log.key and log.vkey,
//     the writer key is endorsed by it, log-next.key goes (FinishRotation)
//  5. when the overlap has ended log-previous.key goes (DropExpiredKey)

// NextLogKey returns the current log key and the one that comes next, which it
// draws unless an earlier rotation stopped after that. The caller holds the lock.
func (d *Directory) NextLogKey(overlap Duration) (current, next ed25519.PrivateKey, err error) {
	f, err := readKey(d.Path, logKeyName, "log key", ed25519.SeedSize)
	if err != nil {
		return nil, nil, err
	}
	current = ed25519.NewKeyFromSeed(f.Key)
	f, err = readKey(d.Path, nextKeyName, "log key", ed25519.SeedSize)
	if err == nil {
		return current, ed25519.NewKeyFromSeed(f.Key), nil
	}
	if !os.IsNotExist(err) {
		return nil, nil, err
	}
	_, next, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return current, next, writeKey(d.Path, nextKeyName, keyFile{Kind: "log key", Key: next.Seed(), Overlap: overlap})
}

// PendingLogKey is the public key of a rotation that has begun and not ended.
func (d *Directory) PendingLogKey() (key indelible.PublicKey, pending bool, err error) {
	f, err := readKey(d.Path, nextKeyName, "log key", ed25519.SeedSize)
	if os.IsNotExist(err) {
		return key, false, nil
	}
	if err != nil {
		return key, false, err
	}
	return publicKey(ed25519.NewKeyFromSeed(f.Key)), true, nil
}

// FinishRotation makes the next log key the current one, and gives its
// endorsement of the writer key. The caller holds the lock, and the published
// checkpoint is signed by the next key.
func (d *Directory) FinishRotation() (w indelible.Writer, err error) {
	next, err := readKey(d.Path, nextKeyName, "log key", ed25519.SeedSize)
	if err != nil {
		return w, err
	}
	current, err := readKey(d.Path, logKeyName, "log key", ed25519.SeedSize)
	if err != nil {
		return w, err
	}
	if string(current.Key) != string(next.Key) {
		if next.Overlap > 0 {
			current.Until = time.Now().UTC().Add(time.Duration(next.Overlap)).Truncate(time.Second)
			if err := writeKey(d.Path, previousKeyName, current); err != nil {
				return w, err
			}
		}
		current = keyFile{Kind: "log key", Key: next.Key, Created: next.Created}
		if err := writeKey(d.Path, logKeyName, current); err != nil {
			return w, err
		}
	}
	key := ed25519.NewKeyFromSeed(next.Key)
	if w, err = d.endorseAgain(key); err != nil {
		return w, err
	}
	if err := d.saveVerifierKey(publicKey(key)); err != nil {
		return w, err
	}
	return w, disk.OS.Remove(keyPath(d.Path, nextKeyName))
}

// endorseAgain has the new log key vouch for the writer key, so that receipts
// can be checked with it.
func (d *Directory) endorseAgain(key ed25519.PrivateKey) (w indelible.Writer, err error) {
	f, err := readKey(d.Path, writerKeyName, "writer key", ed25519.SeedSize)
	if err != nil {
		return w, err
	}
	if f.Endorsement == nil {
		return w, errors.New("the writer key has no endorsement")
	}
	w = indelible.Endorse(key, d.Config.Origin, d.Config.LogID, d.Config.Directory, f.Endorsement.Key, f.Endorsement.Epoch)
	f.Endorsement = &w
	return w, writeKey(d.Path, writerKeyName, f)
}

func (d *Directory) saveVerifierKey(key indelible.PublicKey) error {
	vkey, err := indelible.FormatVerifierKey(d.Config.Origin, key)
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, filepath.Join(d.Path, vkeyName), []byte(vkey+"\n"))
}

// DropExpiredKey deletes the log key before the current one when the time in
// which both sign is over. The caller holds the lock.
func (d *Directory) DropExpiredKey() error {
	f, err := readKey(d.Path, previousKeyName, "log key", ed25519.SeedSize)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, pending, err := d.PendingLogKey(); err != nil || pending || f.Until.IsZero() || time.Now().Before(f.Until) {
		return err
	}
	return disk.OS.Remove(keyPath(d.Path, previousKeyName))
}

// CheckVerifierKey checks that log.vkey is the public half of the log key.
func (d *Directory) CheckVerifierKey() error {
	vkey, err := d.VerifierKey()
	if err != nil {
		return err
	}
	f, err := readKey(d.Path, logKeyName, "log key", ed25519.SeedSize)
	if err != nil {
		return err
	}
	origin, key, err := indelible.ParseVerifierKey(vkey)
	switch {
	case err != nil:
		return err
	case origin != d.Config.Origin:
		return fmt.Errorf("log.vkey is the key of %q, this ledger is %q", origin, d.Config.Origin)
	case key == publicKey(ed25519.NewKeyFromSeed(f.Key)):
		return nil
	}
	if next, pending, err := d.PendingLogKey(); err == nil && pending && key == next {
		return nil
	}
	return errors.New("log.vkey does not belong to the log key in keys/")
}
