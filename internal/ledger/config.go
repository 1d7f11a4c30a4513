package ledger

import (
	"crypto/ed25519"
	"log/slog"
	"time"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/store"
)

// Writer is this data directory's right to write: its key, endorsed by the log key.
type Writer struct {
	Key      ed25519.PrivateKey
	Endorsed indelible.Writer
}

// Config is what a ledger is opened with. Store, FS, Dir, Origin, LogKeys,
// Writer, IDKey and Sealer must be set; the rest has defaults.
type Config struct {
	Store  store.Store
	FS     disk.FS
	Dir    string // of the data directory; the journal lies in it
	Origin string
	LogID  indelible.ID

	LogKeys []ed25519.PrivateKey // the current one first, then one whose rotation overlaps
	Writer  Writer
	IDKey   *[32]byte
	Sealer  Sealer

	// Operator is for Create: the first who can propose and approve.
	Operator *indelible.PublicKey

	CommitEvery  time.Duration // 200 ms; 1 s is right for S3
	PublishEvery time.Duration // 1 s; 5 s is right for S3
	Retention    time.Duration // how long segments are locked; 0: not
	TakeOver     bool          // go on where another data directory wrote last

	ConfirmClock bool // commit although the last commit is far ahead of the clock

	Clock func() time.Time
	Log   *slog.Logger
}

const (
	defaultCommitEvery  = 200 * time.Millisecond
	defaultPublishEvery = time.Second
	idleCommitEvery     = 10 * time.Second // when little happens and nobody waits

	segmentTarget  = 4 << 20
	segmentBacklog = 8 << 20

	// PermanentRetention is how long what holds no personal data is locked:
	// tiles, heads objects and kept checkpoints.
	PermanentRetention = 10 * 365 * 24 * time.Hour

	maxUnpublished = 64 << 20 // bytes of tiles waiting before commits wait for the publish
)

func (c *Config) withDefaults() Config {
	d := *c
	if d.CommitEvery == 0 {
		d.CommitEvery = defaultCommitEvery
	}
	if d.PublishEvery == 0 {
		d.PublishEvery = defaultPublishEvery
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d
}
