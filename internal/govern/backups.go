package govern

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"time"
)

// Backup is a copy of the keys that was made here: until its life has ended,
// somebody may read with it what was erased since.
type Backup struct {
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

func backupsPath(dir string) string { return filepath.Join(dir, "keys", "backups.json") }

// ReadBackups reads which backups were made of a data directory's keys.
func ReadBackups(dir string) ([]Backup, error) {
	return readList[Backup](backupsPath(dir), 1<<20)
}

// NoteBackup notes a backup before it is handed out.
func NoteBackup(dir string, created, expires time.Time) error {
	backups, err := ReadBackups(dir)
	if err != nil {
		return err
	}
	backups = slices.DeleteFunc(backups, func(b Backup) bool { return b.Expires.Before(created) })
	return writeList(backupsPath(dir), append(backups, Backup{created, expires}))
}

// ForgetBackup takes back the note of a backup that was never handed out.
func ForgetBackup(dir string, created time.Time) error {
	backups, err := ReadBackups(dir)
	if err != nil {
		return err
	}
	return writeList(backupsPath(dir), slices.DeleteFunc(backups, func(b Backup) bool { return b.Created.Equal(created) }))
}

// LastBackup is when the newest backup was made that can still be restored; zero
// if none is noted.
func LastBackup(dir string, now time.Time) (last time.Time, err error) {
	backups, err := ReadBackups(dir)
	for _, b := range backups {
		if b.Expires.After(now) && b.Created.After(last) {
			last = b.Created
		}
	}
	return last, err
}

// backupsUntil says whether a backup made before an erasure is still alive.
func backupsUntil(backups []Backup, erased, now time.Time) (state string, until *time.Time) {
	for _, b := range backups {
		if b.Created.After(erased) || !b.Expires.After(now) {
			continue
		}
		if until == nil || b.Expires.After(*until) {
			until = &b.Expires
		}
	}
	if until == nil {
		return "final", nil
	}
	return "pending backups", until
}

// toMap is v as a JSON object.
func toMap(v any) (m map[string]any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}
