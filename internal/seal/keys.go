package seal

import (
	"cmp"
	"context"
	"crypto/aes"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"indelible"
)

// Options are what a key store is opened with. Origin and Root must be set.
type Options struct {
	Origin   string     // the log's; every key is bound to it
	Root     KeyWrapper // wraps the tenants' keys
	ReadOnly bool       // no key is made or destroyed; several processes may read beside the one that writes
	Clock    func() time.Time

	// Offline is how long keys unwrapped before go on being used while the root
	// key cannot be reached. Then sealing and opening are refused.
	Offline time.Duration
	// Cache is how many data keys are kept unwrapped, at most twice this many.
	Cache int
}

// Defaults of Options.
const (
	DefaultOffline = time.Hour
	DefaultCache   = 100_000
)

// Keys is the key store of one log: tenants' keys, wrapped by the root key, and
// data keys, wrapped by their tenant's, in one SQLite file. No name of a tenant
// or a person stands in it: tenants by their reference, persons by a token, both
// keyed. All methods can be called at once.
type Keys struct {
	opt  Options
	path string
	db   *sql.DB

	mu      sync.Mutex
	tenants map[indelible.Ref]*tenant
	byNo    map[int64]*tenant
	sealing cache[slot, *DataKey]
	opening cache[indelible.ID, opened]
	fresh   map[slot]*DataKey // made, not yet durable
	thrown  map[erasedSubject]int
	erased  map[erasedSubject]bool
	present present
	numbers numbering
	refs    map[erasedRef]bool      // the same as the log's fences name them; false: readmitted since
	fenced  map[indelible.ID]Fenced // read-only: keys the log has fenced since

	presentCount int

	batch // of keys on their way to the disk

	replayed atomic.Bool
	fencedTo uint64 // the fences of the tree of this size were applied
	keptTo   uint64 // and this much is on the disk
}

// DataKey is a key that parts are sealed under.
type DataKey struct {
	ID  indelible.ID // zero: of a person who was erased; the key is thrown away
	Key [32]byte

	made uint64 // Durable(made) makes it durable
}

// Made is what Durable is to be given before anything sealed with the key counts.
func (k *DataKey) Made() uint64 { return k.made }

// What a data key is for.
const (
	kindNames   = 1 // tenant leaf and journal descriptors; lives as long as the tenant
	kindTenant  = 2 // the tenant parts of a class and a period
	kindSubject = 3 // the subject parts of a person, a class and a period
	kindPurpose = 4 // a secret for another purpose; the period counts its generations
)

// slot is what there is one live data key for.
type slot struct {
	tenant  int64
	kind    uint8
	period  uint32
	class   string
	subject indelible.ID
}

// Open opens the key store of a log. It opens no record before Replayed was called.
func Open(ctx context.Context, path string, opt Options) (*Keys, error) {
	opt.Offline = cmp.Or(opt.Offline, DefaultOffline)
	opt.Cache = cmp.Or(opt.Cache, DefaultCache)
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	db, err := openDB(ctx, path, opt.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("open the key store %s: %w", path, err)
	}
	k := &Keys{
		opt: opt, path: path, db: db,
		tenants: make(map[indelible.Ref]*tenant), byNo: make(map[int64]*tenant),
		fresh: make(map[slot]*DataKey), thrown: make(map[erasedSubject]int),
		fenced: make(map[indelible.ID]Fenced), present: make(present),
		sealing: newCache[slot, *DataKey](opt.Cache), opening: newCache[indelible.ID, opened](opt.Cache),
	}
	k.batch.init()
	if err := k.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the key store %s: %w", path, err), db.Close())
	}
	if !opt.ReadOnly {
		// A process that died between destroying and clearing left this to do. While
		// somebody reads it waits for the next fence, or the end.
		if err := k.clearChanges(ctx); err != nil && !errors.Is(err, ErrBusy) {
			return nil, errors.Join(fmt.Errorf("key store %s: %w", path, err), db.Close())
		}
	}
	return k, nil
}

// load checks whose key store it is and reads what is small.
func (k *Keys) load(ctx context.Context) (err error) {
	var origin string
	if err := k.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'origin'`).Scan(&origin); err != nil {
		return err
	}
	if origin != k.opt.Origin {
		return fmt.Errorf("it belongs to the log %q, not %q", origin, k.opt.Origin)
	}
	if err := k.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'fenced_to'`).Scan(&k.fencedTo); err != nil {
		return err
	}
	k.keptTo = k.fencedTo
	var numbering []byte
	if err := k.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'numbering'`).Scan(&numbering); err != nil {
		return err
	}
	if k.numbers.cipher, err = aes.NewCipher(numbering); err != nil {
		return err
	}
	if k.erased, err = loadErased(ctx, k.db); err != nil {
		return err
	}
	k.refs, err = loadErasedRefs(ctx, k.db)
	return err
}

// Close makes what waits durable and closes the store.
func (k *Keys) Close() error {
	var err error
	if !k.opt.ReadOnly {
		err = errors.Join(k.flush(context.Background()), k.keepFencedTo(context.Background()))
	}
	return errors.Join(err, k.db.Close())
}

// period is the month of sealing, as yyyymm in UTC.
func (k *Keys) period() uint32 {
	now := k.opt.Clock().UTC()
	return uint32(now.Year()*100) + uint32(now.Month())
}

// NamesKey is the key of a tenant's leaf and of the descriptors of its records
// in the journal. It lives as long as the tenant.
func (k *Keys) NamesKey(ctx context.Context, ref indelible.Ref) (*DataKey, error) {
	return k.sealingKey(ctx, ref, kindNames, "", 0, nil)
}

// TenantKey is the key of a tenant's parts of a class, for now.
func (k *Keys) TenantKey(ctx context.Context, ref indelible.Ref, class string) (*DataKey, error) {
	return k.sealingKey(ctx, ref, kindTenant, class, k.period(), nil)
}

// Subject is a person within a tenant.
type Subject struct {
	Name string
	// Ref is indelible.SubjectRef: how a fence in the log names the person. It is
	// asked for when a key is made.
	Ref func() indelible.Ref
}

// SubjectKey is the key of a person's parts of a class, for now. Of a person
// who was erased it is a key that nobody keeps, with an ID of zeros.
func (k *Keys) SubjectKey(ctx context.Context, ref indelible.Ref, subject Subject, class string) (*DataKey, error) {
	return k.sealingKey(ctx, ref, kindSubject, class, k.period(), &subject)
}

func (k *Keys) sealingKey(ctx context.Context, ref indelible.Ref, kind uint8, class string, period uint32, subject *Subject) (*DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, err := k.tenantFor(ctx, ref)
	if err != nil {
		return nil, err
	}
	s := slot{tenant: t.no, kind: kind, class: class, period: period}
	if subject != nil {
		s.subject = t.token(subject.Name)
		if e := (erasedSubject{t.no, s.subject}); k.erased[e] && k.barred(t.ref, subject) {
			return k.thrownAway(e), nil
		}
	}
	return k.slotKey(ctx, t, s, subject)
}

// slotKey finds the live key of a slot, or makes it. The caller holds k.mu.
func (k *Keys) slotKey(ctx context.Context, t *tenant, s slot, subject *Subject) (*DataKey, error) {
	if d, ok := k.sealing.get(s); ok {
		return d, nil
	}
	d, ok := k.fresh[s]
	if !ok {
		absent := false
		var err error
		if s.kind == kindSubject && !k.opt.ReadOnly {
			if absent, err = k.absentSubject(ctx, s); err != nil {
				return nil, err
			}
		}
		if !absent {
			if d, err = k.readSlot(ctx, t, s); err != nil {
				return nil, err
			}
		}
	}
	if d == nil {
		// A fence in the log may be older than all that this store knows of the
		// person: it was restored from a backup.
		if subject != nil && k.barred(t.ref, subject) {
			return k.thrownAway(erasedSubject{t.no, s.subject}), nil
		}
		var err error
		if d, err = k.newKey(ctx, t, s); err != nil {
			return nil, err
		}
	}
	k.sealing.put(s, d)
	return d, nil
}
