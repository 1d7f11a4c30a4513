package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"indelible/internal/disk"
)

const (
	kind    = "root key"
	maxFile = 1 << 20
)

// contents is the JSON in a key file: every version of the key, oldest first.
// A destroyed key has none.
type contents struct {
	Version   int       `json:"version"` // of the form
	Kind      string    `json:"kind"`
	ID        string    `json:"id"` // random; stands in what it wraps, by binding
	Created   time.Time `json:"created"`
	Destroyed bool      `json:"destroyed,omitempty"`
	Versions  []version `json:"versions,omitempty"`
}

type version struct {
	Version uint32    `json:"version"` // 1, 2, …
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"` // 32 bytes, base64
}

func newContents(now time.Time) contents {
	var id [8]byte
	rand.Read(id[:])
	c := contents{Version: 1, Kind: kind, ID: hex.EncodeToString(id[:]), Created: now.UTC().Truncate(time.Second)}
	return c.rotated(now)
}

// rotated is the contents with one more version.
func (c contents) rotated(now time.Time) contents {
	key := make([]byte, 32)
	rand.Read(key)
	v := version{Version: uint32(len(c.Versions)) + 1, Created: now.UTC().Truncate(time.Second), Key: key}
	c.Versions = append(slices.Clone(c.Versions), v)
	return c
}

func (c contents) encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	return append(b, '\n'), err
}

// parse reads contents. Its errors repeat nothing of the file.
func parse(b []byte) (contents, error) {
	var c contents
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || d.More() || c.Kind != kind || len(c.ID) != 16 {
		return contents{}, errors.New("not a root key of this program")
	}
	if c.Version != 1 {
		return contents{}, fmt.Errorf("root key file of version %d; this program reads version 1", c.Version)
	}
	if c.Destroyed != (len(c.Versions) == 0) {
		return contents{}, errors.New("damaged: a root key has versions until it is destroyed")
	}
	for i, v := range c.Versions {
		if v.Version != uint32(i)+1 || len(v.Key) != 32 {
			return contents{}, fmt.Errorf("damaged: version %d is not in order or not 32 bytes", v.Version)
		}
	}
	return c, nil
}

// replaceAndErase puts b in the place of a file and zeros over what was there.
func replaceAndErase(path string, b []byte) error {
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if err := disk.WriteFile(disk.OS, path, b); err != nil {
		return err
	}
	if _, err := old.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return err
	}
	return old.Sync()
}
