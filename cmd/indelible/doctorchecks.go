package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/disk"
	"indelible/internal/journal"
	"indelible/internal/ledger"
	"indelible/internal/store/s3"
)

// policies prints the documents an operator installs, for the ledger here or,
// before there is one, for the bucket in the environment.
func (a *app) policies(opt doctorOptions) error {
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Retention: datadir.DefaultRetention, S3: datadir.S3FromEnv(a.env)}
	c, err := datadir.LoadConfig(a.dir)
	switch {
	case err == nil:
		store = c.Store
	case !errors.Is(err, datadir.ErrNoLedger) || store.S3 == nil:
		return err
	}
	if store.S3 == nil {
		return usagef("policies are for buckets", "this ledger lies in its own directory")
	}
	var document string
	if opt.iam {
		document, err = s3.IAMPolicy(store.S3.Bucket, store.Prefix)
	} else {
		longest := max(time.Duration(store.Retention), ledger.PermanentRetention)
		document, err = s3.BucketPolicy(store.S3.Bucket, store.Prefix, int(math.Ceil(longest.Hours()/24))+1)
	}
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, document)
	return nil
}

// checkKeys looks at the keys, without showing them, and at what this
// directory remembers to have signed.
func (a *app) checkKeys(ctx context.Context, d *diagnosis, dir *datadir.Directory) {
	infos, err := datadir.ListKeys(dir.Path)
	if err == nil {
		_, err = dir.LedgerConfig()
	}
	if err != nil {
		d.bad("keys", "mend what is named; `indelible keys restore` brings back what was lost", err)
	} else {
		d.good("keys", "%d keys, readable by their owner alone", len(infos))
	}
	if err := dir.CheckVerifierKey(); err != nil {
		d.bad("public key", "restore log.vkey, it is the key this log was handed out with", err)
	} else {
		d.good("public key", "log.vkey belongs to the log key")
	}
	switch text, err := a.unbacked(ctx, dir); {
	case err != nil:
		d.bad("key backup", "mend what is named, or restore the key store with `indelible keys restore`", err)
	case text != "":
		d.Findings = append(d.Findings, finding{"key backup", true, text, backupHint})
	case dir.Encrypted():
		d.good("key backup", "all keys that records are sealed with are in a backup that can be restored")
	}
	if m, err := ledger.ReadMark(disk.OS, dir.Path); err != nil {
		d.bad("largest tree signed", "restore keys/signed.json with `indelible keys restore`; without it a rollback of the store would not be seen", err)
	} else {
		d.good("largest tree signed", "%d leaves", m.Size)
	}
}

// quarantined is damage that was set aside.
type quarantined struct {
	Journal string `json:"journal"`
	Offset  uint64 `json:"offset"`
	Length  uint64 `json:"length"`
	What    string `json:"what"`
	File    string `json:"file"`
}

// checkWriting looks at what only a writer may touch: journal, fence, clock.
func (a *app) checkWriting(ctx context.Context, d *diagnosis, dir *datadir.Directory, opt doctorOptions) {
	wait := 200 * time.Millisecond
	if opt.journal || opt.confirmClock {
		wait = lockWait
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	lock, err := datadir.WaitLock(waiting, dir.Path)
	switch {
	case errors.Is(err, datadir.ErrLocked) && !opt.journal && !opt.confirmClock:
		d.good("journal", "not looked into: another process is writing to this directory")
		return
	case err != nil:
		d.bad("journal", "end the process that writes to this directory, and try again", err)
		return
	}
	sound := a.checkJournals(d, dir, opt.journal)
	if by, err := ledger.FencedBy(disk.OS, dir.Path); err != nil {
		d.bad("fence", "", err)
	} else if by != "" {
		d.bad("fence", "this directory writes no more; if the other writer is gone for good, continue with --take-over", errors.New(by))
	}
	if opt.confirmClock && sound {
		a.confirmClock(ctx, d, dir, lock)
		return
	}
	lock.Release()
}

// checkJournals names damage, and with repair sets it aside.
func (a *app) checkJournals(d *diagnosis, dir *datadir.Directory, repair bool) (sound bool) {
	infos, err := inspectJournals(dir.JournalPath())
	if err != nil {
		d.bad("journal", "what cannot be read cannot be mended here; check the disk", err)
		return false
	}
	var bytes uint64
	sound = true
	for _, info := range infos {
		bytes += info.Length
		if len(info.Damage) == 0 {
			continue
		}
		if !repair {
			for _, x := range info.Damage {
				d.bad("journal", "run `indelible doctor --journal`: it sets the damaged bytes aside, names them, and lets the rest go on to the store",
					fmt.Errorf("journal %s is damaged at offset %d, %d bytes: %s", info.ID, x.Offset, x.Length, x.What))
			}
			sound = false
			continue
		}
		set, err := journal.Quarantine(disk.OS, dir.JournalPath(), info.ID)
		if err != nil {
			d.bad("journal", "keep a copy of the directory; nothing was changed", err)
			sound = false
			continue
		}
		for _, q := range set {
			d.Quarantined = append(d.Quarantined, quarantined{info.ID.String(), q.Offset, q.Length, q.What, "journal/" + q.File})
		}
	}
	if n := len(d.Quarantined); n > 0 {
		d.good("journal", "%d damaged places were set aside; records in them are not in the log: receipts given for them are the proof of what is missing", n)
	} else if sound {
		d.good("journal", "%d files, %d bytes, no damage", len(infos), bytes)
	}
	return sound
}

func inspectJournals(path string) ([]journal.Info, error) {
	// Nothing is appended, so nothing is signed.
	never := func([32]byte, [16]byte, uint64, int64) (sig [64]byte, err error) {
		return sig, errors.New("doctor does not record events")
	}
	j, err := journal.Open(disk.OS, path, journal.Options{Signer: never})
	if err != nil {
		return nil, err
	}
	infos := j.Journals()
	return infos, j.Close()
}

// confirmClock accepts the clock as it is.
func (a *app) confirmClock(ctx context.Context, d *diagnosis, dir *datadir.Directory, lock *datadir.Lock) {
	s, err := a.openLocked(ctx, dir, lock, writeOptions{confirmClock: true})
	if err == nil {
		err = errors.Join(s.settle(ctx), s.Close())
	}
	if err != nil {
		_, hint := classify(err)
		d.bad("clock", hint, fmt.Errorf("cannot be confirmed: %w", err))
		return
	}
	d.good("clock", "accepted as it is: %s", time.Now().UTC().Format(time.RFC3339))
}

// checkLog looks at the published log: whose it is, and how its time compares
// with ours.
func (a *app) checkLog(ctx context.Context, d *diagnosis, dir *datadir.Directory) {
	vkey, err := dir.VerifierKey()
	if err != nil {
		return // named already
	}
	r, err := ledger.NewReader(ctx, dir.Store, vkey)
	var last *ledger.Entry
	if err == nil {
		last, err = r.Entry(ctx, r.Checkpoint().Size-1)
	}
	if err != nil {
		d.bad("log", "run `indelible verify` for the whole picture", err)
		return
	}
	d.good("log", "%d leaves are published", r.Checkpoint().Size)
	at := time.UnixMilli(last.Leaf.Time)
	if ahead := time.Until(at); ahead > time.Hour {
		d.bad("last commit", "set this machine's clock; if it is right, accept it with `indelible doctor --confirm-clock`",
			fmt.Errorf("it is %s ahead of this machine's clock", ahead.Round(time.Second)))
	} else {
		d.good("last commit", "%s", at.UTC().Format(time.RFC3339))
	}
	if m, err := ledger.ReadMark(disk.OS, dir.Path); err == nil && m.Size > r.Checkpoint().Size {
		d.bad("largest tree signed", "run `indelible verify`; the store may have been rolled back", fmt.Errorf("%d leaves, more than the %d that are published", m.Size, r.Checkpoint().Size))
	}
}
