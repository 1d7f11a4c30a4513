package datadir

import (
	"fmt"
	"time"
)

// SetDefaults fills in what was not chosen and checks what was. A compliance
// lock, which nobody can lift, on records that are not encrypted needs a word of
// its own: erasable says that there are keys to destroy, or that word.
func (c *StoreConfig) SetDefaults(checksum string, erasable bool) error {
	if c.S3 == nil {
		if c.Lock != "" && c.Lock != "none" {
			return &UsageError{fmt.Sprintf("--lock %s: a directory cannot lock objects", c.Lock), "leave --lock out, or set S3_AUDIT_BUCKET to keep the log in a bucket"}
		}
		c.Lock = "none"
	}
	if c.Lock == "" {
		c.Lock = "governance"
	}
	if err := checkLock(c.Lock); err != nil {
		return &UsageError{err.Error(), "choose --lock compliance, governance or none"}
	}
	if c.Lock == "compliance" && !erasable {
		return &UsageError{"--lock compliance on records that are not encrypted: nobody could erase a person from them before the lock ends", "use --lock governance, or add --plaintext-compliance if that is what you want"}
	}
	switch checksum {
	case "", "sha256":
	case "md5":
		if c.S3 != nil {
			c.S3.Checksum = "md5"
		}
	default:
		return &UsageError{fmt.Sprintf("--checksum %q", checksum), "choose sha256 or md5"}
	}
	if c.Lock != "none" && c.Retention <= 0 {
		return &UsageError{"--retention is zero", "give it a time such as 400d, or choose --lock none"}
	}
	return nil
}

// WhoCanDelete says in plain words who can delete records of the store, and when.
func (c *StoreConfig) WhoCanDelete() string {
	keep := time.Duration(c.Retention)
	days := fmt.Sprintf("%.0f days", keep.Hours()/24)
	if keep < 48*time.Hour {
		days = keep.String()
	}
	switch {
	case c.S3 == nil:
		return "whoever can write to the directory can delete files; `verify` shows it"
	case c.Lock == "compliance":
		return "nobody can delete a segment for " + days + ", the bucket's owner included"
	case c.Lock == "governance":
		return "for " + days + " only who holds s3:BypassGovernanceRetention; afterwards whoever may delete objects"
	}
	return "whoever may delete objects in the bucket, at any time; `verify` shows it"
}
