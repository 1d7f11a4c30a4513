// Package datadir is the data directory of a ledger: its layout, its
// configuration, its keys and the lock that makes one process its writer.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"indelible"
)

// Names inside a data directory.
const (
	configName = "indelible.yaml"
	vkeyName   = "log.vkey"
	storeDir   = "store"
)

// ErrNoLedger: the directory holds no ledger.
var ErrNoLedger = errors.New("no ledger here")

// Config is indelible.yaml. Unknown keys are refused.
type Config struct {
	Version   int          `yaml:"version"`
	Origin    string       `yaml:"origin"`
	LogID     indelible.ID `yaml:"log_id"`
	Directory indelible.ID `yaml:"directory"`
	Store     StoreConfig  `yaml:"store"`
	Commit    CommitConfig `yaml:"commit,omitempty"`
	Keys      *KeysConfig  `yaml:"keys,omitempty"` // nil: records are not encrypted
	// Mask says how masking differs from the strict policy; nil: in nothing.
	Mask *MaskConfig `yaml:"mask,omitempty"`
	// Retention says how long events are kept; nil: 400 days.
	Retention *RetentionConfig `yaml:"retention,omitempty"`
	// Sources are the databases workflow runs are exported from, by name.
	Sources map[string]SourceConfig `yaml:"sources,omitempty"`
	// Jobs and Schedules are about work that runs by itself.
	Jobs      *JobsConfig               `yaml:"jobs,omitempty"`
	Schedules map[string]ScheduleConfig `yaml:"schedules,omitempty"`

	// Exports are those the server makes; nil: it makes none.
	Exports *ExportsConfig `yaml:"exports,omitempty"`

	Log *LogConfig `yaml:"log,omitempty"`
	// Server says how a server meets the network; nil: plain HTTP on loopback.
	Server *ServerConfig `yaml:"server,omitempty"`
	// Limits are what each tenant may send to a server; nil: no tenant has one.
	Limits *LimitsConfig `yaml:"limits,omitempty"`
}

// ExportsConfig is about exports that are asked for over HTTP.
type ExportsConfig struct {
	To string `yaml:"to"` // a folder, relative to the data directory, or s3://bucket/prefix
}

// LogConfig is about the public objects of the log.
type LogConfig struct {
	Public *bool `yaml:"public,omitempty"` // whether a server gives them to everybody; true
}

// PublicLog reports whether a server gives checkpoint and tiles to everybody.
func (c *Config) PublicLog() bool { return c.Log == nil || c.Log.Public == nil || *c.Log.Public }

// SourceConfig names a database: PostgreSQL or a SQLite file.
type SourceConfig struct {
	Postgres     string `yaml:"postgres,omitempty"`      // a connection without its password
	PasswordEnv  string `yaml:"password_env,omitempty"`  // the variable that holds it
	PasswordFile string `yaml:"password_file,omitempty"` // or the file
	SQLite       string `yaml:"sqlite,omitempty"`        // relative to the data directory
}

// StoreConfig says where the log lies. Credentials never stand here.
type StoreConfig struct {
	Prefix    string   `yaml:"prefix"`
	Lock      string   `yaml:"lock"`      // compliance, governance or none
	Retention Duration `yaml:"retention"` // how long segments are locked
	S3        *S3      `yaml:"s3,omitempty"`
}

// S3 names a bucket.
type S3 struct {
	Bucket    string `yaml:"bucket"`
	Endpoint  string `yaml:"endpoint,omitempty"`
	Region    string `yaml:"region,omitempty"`
	PathStyle *bool  `yaml:"path_style,omitempty"`
	Checksum  string `yaml:"checksum,omitempty"` // sha256 (default) or md5, for stores that need the older one
	Insecure  bool   `yaml:"insecure,omitempty"` // allow http:// off loopback
}

// CommitConfig tunes the committer. Zero means the store's default.
type CommitConfig struct {
	Every   Duration `yaml:"every,omitempty"`
	Publish Duration `yaml:"publish,omitempty"`
}

// Duration is a time.Duration that also knows days, as 400d.
type Duration time.Duration

// ParseDuration reads a Go duration or a number of days.
func ParseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number of days", s)
		}
		return Duration(time.Duration(n) * 24 * time.Hour), nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is negative", s)
	}
	return Duration(d), err
}

func (d Duration) String() string {
	day := 24 * time.Hour
	if t := time.Duration(d); t >= day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	return time.Duration(d).String()
}

// MarshalText writes the form ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

const configHeader = `# The ledger in this directory. Flags and environment variables go before what
# stands here. No secret belongs in this file: S3 credentials come from
# S3_ACCESS_KEY and S3_SECRET_KEY or from the usual AWS chain.
#
# version, origin, log_id and directory are who this ledger and this directory
# are; the ledger does not open when they are changed.
# store.lock       compliance, governance or none: who can delete a segment before its time
# store.retention  how long a segment is locked, e.g. 400d
# commit.every     how often what was recorded is committed, e.g. 200ms
# commit.publish   how often the tree is signed and published, e.g. 1s
# log.public       false: the server gives checkpoint and tiles to holders of a key only
# keys.root        where the root key is that wraps all others: file, awskms or vault;
#                  without keys records are not encrypted
# retention        how long events are kept, from the end of the month; without it 400d.
#                  It counts once it is recorded in the log; shortening takes two operators.
#   default: 400d
#   rules:                            the first that fits counts
#     - class: logins                 a name, which the log shows
#       keep: 90d
#       tenant: acme                  left out: all
#       event_type: auth.*            one type, or the beginning of some; left out: all
# server.tls       certificate, key: PEM files, relative to this directory, read again when
#                  they change; client_ca: every client shows a certificate of one of these
# server.oidc      issuer, audience, algorithms, name_claim, grants: people who come with a
#                  token of an OpenID provider
# sources.NAME     a database with workflow runs, for export --source NAME:
#   postgres: host=db.example dbname=flows user=indelible_export
#   password_env: FLOWS_PASSWORD      or password_file, or ~/.pgpass
#   sqlite: runs.db                   instead of postgres; relative to this directory
# limits           what each tenant may send to the server; 0 or left out: no limit
#   events_per_second: 2000
#   bytes_per_day: 10000000000        in UTC, as JSON
#   tenants:                          who has limits of their own
#     acme: {events_per_second: 100}
# exports.to       where the server writes the exports it is asked for: a folder,
#                  relative to this directory, or s3://bucket/prefix; without it there are none
# schedules.NAME   work that runs by itself while serve or worker runs: docs/operations.md
#   when: daily 02:00                 weekly mon 03:00, or a cron expression
#   zone: Europe/Berlin               left out: UTC
#   missed: once                      or skip: what becomes of times that passed while nothing ran
#   run: verify                       what, and with which options:
#   with: {mode: since-last}
# jobs             where schedules and runs are kept: jobs.db here, or for workers on
#   dsn: host=db.example dbname=jobs  several machines in PostgreSQL; password_env or password_file
#   workers: 4                        runs at once in one process
`

func (c *Config) marshal() ([]byte, error) {
	b, err := yaml.Marshal(c)
	if err != nil {
		return nil, err
	}
	return append([]byte(configHeader), b...), nil
}

// LoadConfig reads the configuration of a data directory.
func LoadConfig(dir string) (*Config, error) {
	name := filepath.Join(dir, configName)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", ErrNoLedger, name)
	}
	if err != nil {
		return nil, err
	}
	var c Config
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.Version > 1 {
		return nil, fmt.Errorf("%s: version %d: %w", name, c.Version, indelible.ErrNewerFormat)
	}
	if c.Version != 1 || c.Origin == "" || c.Store.Prefix == "" {
		return nil, fmt.Errorf("%s: version, origin or store.prefix is missing", name)
	}
	if err := checkLock(c.Store.Lock); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.Retention != nil {
		if err := c.Retention.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.Server != nil {
		if err := c.Server.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.Limits != nil {
		if err := c.Limits.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.Jobs != nil {
		if err := c.Jobs.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.Exports != nil && strings.Trim(c.Exports.To, "./") == "" {
		return nil, fmt.Errorf("%s: exports.to names no folder and no s3://bucket/prefix", name)
	}
	if c.Keys != nil {
		if err := c.Keys.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return &c, nil
}

func checkLock(mode string) error {
	switch mode {
	case "compliance", "governance", "none":
		return nil
	}
	return fmt.Errorf("store.lock %q is not compliance, governance or none", mode)
}
