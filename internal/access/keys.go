package access

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"indelible/internal/disk"
)

// Key is what is kept of an API key: everything but the key.
type Key struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"` // of who uses it
	Hash    string     `json:"sha256"`
	Roles   []Role     `json:"roles"`
	All     bool       `json:"all_tenants,omitempty"`
	Tenants []string   `json:"tenants,omitempty"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
	Ticket  string     `json:"ticket,omitempty"` // of break-glass
}

// Live reports whether the key can be used at a time.
func (k *Key) Live(now time.Time) bool {
	return k.Revoked == nil && (k.Expires == nil || now.Before(*k.Expires))
}

const (
	maxLive       = 2 // keys of one name, so that one can take over from the other
	maxKeys       = 10_000
	maxKeysOf     = 1000 // that name a tenant: one cannot use up what all need
	maxKeyFile    = 1 << 20
	breakGlassFor = time.Hour
)

// Errors of managing and presenting keys.
var (
	ErrTooMany  = errors.New("there are two live keys of this name")
	ErrWanting  = errors.New("no such key is made")
	ErrNoRoom   = errors.New("there are as many keys as there can be")
	ErrNotFound = errors.New("no such key")
	ErrRefused  = errors.New("the key is unknown, expired or revoked")
)

// Keys are the API keys of a ledger: a file each in a folder, so that they can
// be added and revoked while a server runs.
type Keys struct {
	dir   string
	clock func() time.Time

	mu     sync.RWMutex
	read   time.Time // when the folder was looked at
	stamp  time.Time // its time then
	byID   map[string]*known
	usedMu sync.Mutex
	used   map[string]time.Time // last use that was written down
}

type known struct {
	Key
	hash [32]byte
	who  Principal
}

// OpenKeys opens the folder, which need not be there yet. clock is time.Now if nil.
func OpenKeys(dir string, clock func() time.Time) *Keys {
	if clock == nil {
		clock = time.Now
	}
	return &Keys{dir: dir, clock: clock, used: make(map[string]time.Time)}
}

// New makes a key that Add will take, and the text to show once. roles, tenants
// and expires are as in Key.
func (k *Keys) New(name string, roles []Role, all bool, tenants []string, expires *time.Time, ticket string) (key string, _ *Key, err error) {
	now := k.clock().UTC().Truncate(time.Millisecond)
	if why := wanting(name, roles, all, tenants, expires, ticket, now); why != "" {
		return "", nil, fmt.Errorf("%w: %s", ErrWanting, why)
	}
	key, id, hash := newKey()
	made := &Key{ID: id, Name: name, Hash: hex.EncodeToString(hash[:]), Roles: roles, All: all, Tenants: tenants, Created: now, Expires: expires, Ticket: ticket}
	if err := k.checkRoom(made, now); err != nil {
		return "", nil, err
	}
	return key, made, nil
}

// wanting says what is wrong with a key that is asked for, or nothing.
func wanting(name string, roles []Role, all bool, tenants []string, expires *time.Time, ticket string, now time.Time) string {
	switch {
	case !ValidName(name):
		return "a key has a name of 1 to 200 characters, without control characters"
	case strings.HasPrefix(name, TokenNames):
		return "names that begin with " + TokenNames + " are of those who come with a token"
	case len(roles) == 0 || len(roles) > len(Roles):
		return "a key has a role"
	case all == (len(tenants) > 0) || len(tenants) > MaxTenants:
		return fmt.Sprintf("a key is for all tenants, or for 1 to %d", MaxTenants)
	case expires != nil && !expires.After(now):
		return "the key would have expired already"
	case len(ticket) > 200 || !utf8.ValidString(ticket):
		return "a ticket has at most 200 bytes"
	}
	if slices.Contains(roles, BreakGlass) {
		if len(roles) > 1 || ticket == "" || expires == nil || expires.Sub(now) > breakGlassFor+time.Second {
			return fmt.Sprintf("break-glass is a role of its own, with a ticket, and expires within %s", breakGlassFor)
		}
	} else if ticket != "" {
		return "a ticket goes with break-glass"
	}
	for _, t := range tenants {
		if !ValidTenant(t) {
			return fmt.Sprintf("%.40q is not a tenant keys are for", t)
		}
	}
	return ""
}

// checkRoom makes sure that there is room for one more key. Keys of one name that
// have no tenant in common are of different people, who learn nothing of each other.
func (k *Keys) checkRoom(key *Key, now time.Time) error {
	keys, err := k.List()
	if err != nil {
		return err
	}
	live, near := 0, 0
	for _, other := range keys {
		if !key.meets(&other) {
			continue
		}
		if !other.All {
			near++
		}
		if other.Name == key.Name && other.Live(now) {
			live++
		}
	}
	if live >= maxLive {
		return fmt.Errorf("%w: %q", ErrTooMany, key.Name)
	}
	if len(keys) >= maxKeys || !key.All && near >= maxKeysOf {
		return ErrNoRoom
	}
	return nil
}

// meets reports whether two keys are for a tenant in common.
func (k *Key) meets(other *Key) bool {
	return k.All || other.All || slices.ContainsFunc(k.Tenants, func(t string) bool { return slices.Contains(other.Tenants, t) })
}

// Add keeps a key made by New. From then on it can be used.
func (k *Keys) Add(key *Key) error {
	if err := disk.OS.MkdirAll(k.dir); err != nil {
		return err
	}
	b, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return err
	}
	if len(b) >= maxKeyFile {
		return fmt.Errorf("%w: the names of its tenants take more than %d bytes", ErrWanting, maxKeyFile)
	}
	defer k.changed()
	return disk.CreateFile(disk.OS, k.file(key.ID), append(b, '\n'))
}

// changed has the folder read again before the next key is judged.
func (k *Keys) changed() {
	k.mu.Lock()
	k.read, k.stamp = time.Time{}, time.Time{}
	k.mu.Unlock()
}

func (k *Keys) file(id string) string { return filepath.Join(k.dir, id+".json") }

// Get returns a key by its id.
func (k *Keys) Get(id string) (*Key, error) {
	all, err := k.List()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
}

// Revoke ends a key. A key that has ended stays as it is.
func (k *Keys) Revoke(id string) (*Key, error) {
	key, err := k.Get(id)
	if err != nil || key.Revoked != nil {
		return key, err
	}
	now := k.clock().UTC().Truncate(time.Second)
	key.Revoked = &now
	b, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return nil, err
	}
	defer k.changed()
	return key, disk.WriteFile(disk.OS, k.file(id), append(b, '\n'))
}

// List returns all keys, by name and then by age. A file that cannot be read is
// an error: whose access it would have ended is not known.
func (k *Keys) List() ([]Key, error) {
	names, err := filepath.Glob(filepath.Join(k.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(names))
	for _, name := range names {
		b, err := disk.ReadFile(disk.OS, name, maxKeyFile)
		if err != nil {
			return nil, err
		}
		var key Key
		if err := json.Unmarshal(b, &key); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h, err := hex.DecodeString(key.Hash); err != nil || len(h) != 32 || key.ID+".json" != filepath.Base(name) {
			return nil, fmt.Errorf("%s: not a key of this name", name)
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Created.Compare(b.Created)
	})
	return keys, nil
}
