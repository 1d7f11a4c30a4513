package probe

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"indelible/internal/store"
)

// locked tries to delete a locked object. It stays behind until its lock has
// ended; a later probe removes it.
func (r *run) locked() {
	name := r.base + "locked"
	until := r.storeTime().Add(lockFor)
	if err := r.store.Create(r.ctx, name, []byte("locked"), until); err != nil {
		r.note("lock", false, "", fmt.Errorf("an object cannot be locked: %w", err))
		return
	}
	obj, err := r.store.Read(r.ctx, name, store.ReadOptions{})
	if err == nil && obj.LockedUntil.IsZero() {
		err = errors.New("a lock was asked for and none is shown: either there is none, or the permission to read retention is missing")
	}
	if err == nil && obj.LockedUntil.Before(until.Truncate(time.Second)) {
		err = fmt.Errorf("asked for a lock until %v and got one until %v", until, obj.LockedUntil)
	}
	r.note("retention readable", err == nil, fmt.Sprintf("locked in %s mode until %s", obj.LockMode, obj.LockedUntil.Format(time.RFC3339)), err)

	err = r.store.Remove(r.ctx, name)
	switch {
	case err == nil && r.storeTime().After(until):
		err = errors.New("the lock ended before it could be tried; probe again")
	case err == nil:
		err = errors.New("a locked object was deleted: the locks of this store do not hold")
	case errors.Is(err, store.ErrDenied):
		r.note("locked object stays", true, fmt.Sprintf("a locked version cannot be deleted; %s stays behind until %s", name, until.UTC().Format(time.RFC3339)), nil)
		return
	}
	r.note("locked object stays", false, "", err)
}

func (r *run) storeTime() time.Time {
	now := time.Now()
	if c, ok := r.store.(store.Clocked); ok {
		if skew, known := c.Skew(); known {
			now = now.Add(skew)
		}
	}
	return now
}

// ours is what a probe has made; nothing else below its prefix is touched.
var ours = regexp.MustCompile(`^probe/[0-9a-f]{16}/(object|replaced|damaged|locked)$`)

// maxLeft bounds how much of earlier probes one probe clears away.
const maxLeft = 100

// cleanUp removes what this probe and earlier ones left. A replaced object has
// a version for every replacement.
func (r *run) cleanUp() {
	names := r.made
	for name, err := range r.store.List(r.ctx, Prefix, "") {
		if err != nil {
			r.note("clean up", false, "", err)
			return
		}
		if ours.MatchString(name) && len(names) < maxLeft {
			names = append(names, name)
		}
	}
	for _, name := range names {
		for {
			versions, err := r.store.Versions(r.ctx, name)
			if err == nil && len(versions) == 0 {
				break
			}
			if err == nil && versions[len(versions)-1].DeleteMarker {
				break // somebody else's; Remove would not touch it
			}
			if err == nil {
				err = r.store.Remove(r.ctx, name)
			}
			if errors.Is(err, store.ErrDenied) && name[len(name)-len("locked"):] == "locked" {
				break // its lock has not ended
			}
			if err != nil {
				r.note("clean up", false, "", err)
				return
			}
		}
	}
	r.note("clean up", true, "the probe's own objects are removed again", nil)
}
