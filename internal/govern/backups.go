package govern

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"indelible/internal/disk"
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
	b, err := disk.ReadFile(disk.OS, backupsPath(dir), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var backups []Backup
	if err := decodeStrict(b, &backups); err != nil {
		return nil, fmt.Errorf("backups.json: %w", err)
	}
	return backups, nil
}

// NoteBackup notes a backup before it is handed out.
func NoteBackup(dir string, created, expires time.Time) error {
	backups, err := ReadBackups(dir)
	if err != nil {
		return err
	}
	backups = slices.DeleteFunc(backups, func(b Backup) bool { return b.Expires.Before(created) })
	text, err := json.MarshalIndent(append(backups, Backup{created, expires}), "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, backupsPath(dir), append(text, '\n'))
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
