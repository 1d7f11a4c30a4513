package access

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"indelible/internal/disk"
)

// lookEvery is how often the folder is looked at: how long a revoked key may live on.
const lookEvery = 250 * time.Millisecond

// lookAgain is how often for keys that are not known: wrong ones cost that much.
const lookAgain = 20 * time.Millisecond

// Authenticate tells whose key this is: ErrNoKey or ErrRefused if nobody's.
func (k *Keys) Authenticate(key string) (*Principal, error) {
	id, hash, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	found, err := k.find(id, lookEvery)
	if err == nil && found == nil {
		// It may have been made a moment ago, by another process.
		found, err = k.find(id, lookAgain)
	}
	if err != nil {
		return nil, err
	}
	if found == nil {
		found = &known{} // compared like any other
	}
	if !sameHash(&hash, &found.hash) || found.ID == "" || !found.Live(k.clock()) {
		return nil, ErrRefused
	}
	k.note(id)
	return &found.who, nil
}

// find returns a key as it was not longer ago than age, or nil.
func (k *Keys) find(id string, age time.Duration) (*known, error) {
	if err := k.refresh(age); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.byID[id], nil
}

// refresh reads the keys again if the folder has changed and was not looked at
// just now.
func (k *Keys) refresh(age time.Duration) error {
	now := time.Now()
	k.mu.RLock()
	fresh := now.Sub(k.read) < age
	k.mu.RUnlock()
	if fresh {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.read) < age {
		return nil
	}
	info, err := os.Stat(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		k.byID, k.read = nil, now
		return nil
	}
	if err != nil {
		return err
	}
	// A change just after the look could have the same time as the one seen.
	if info.ModTime().Equal(k.stamp) && k.read.Sub(k.stamp) > time.Second {
		k.read = now
		return nil
	}
	keys, err := k.List()
	if err != nil {
		return err
	}
	byID := make(map[string]*known, len(keys))
	for _, key := range keys {
		n := &known{Key: key, who: Principal{Name: key.Name, Roles: key.Roles, All: key.All, Tenants: key.Tenants, KeyID: key.ID, Ticket: key.Ticket}}
		hex.Decode(n.hash[:], []byte(key.Hash))
		byID[key.ID] = n
	}
	k.byID, k.read, k.stamp = byID, now, info.ModTime()
	return nil
}

// noteEvery is how exact the last use of a key is.
const noteEvery = time.Minute

// note writes down that a key was used. It is a convenience for those who clean
// up; the access log is the record.
func (k *Keys) note(id string) {
	now := k.clock()
	k.usedMu.Lock()
	defer k.usedMu.Unlock()
	if now.Sub(k.used[id]) < noteEvery {
		return
	}
	k.used[id] = now
	dir := filepath.Join(k.dir, "used")
	if disk.OS.MkdirAll(dir) != nil {
		return
	}
	os.WriteFile(filepath.Join(dir, id), []byte(now.UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// LastUsed is when a key was last used, to the minute; zero if never.
func (k *Keys) LastUsed(id string) time.Time {
	b, err := disk.ReadFile(disk.OS, filepath.Join(k.dir, "used", id), 100)
	if err != nil {
		return time.Time{}
	}
	t, _ := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	return t
}
