// Package govern carries out what people decide about a log: who may decide,
// what two people approve, what is held, erased, and kept for how long.
package govern

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"indelible"
	"indelible/internal/disk"
)

// Operator is a person with a key to propose and approve with.
type Operator struct {
	Name string
	Key  ed25519.PrivateKey
}

// Public is the half of the key that stands in the log.
func (o *Operator) Public() (p indelible.PublicKey) {
	copy(p[:], o.Key.Public().(ed25519.PublicKey))
	return p
}

// operatorFile is the JSON of an operator's private key.
type operatorFile struct {
	Version int       `json:"version"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Key     []byte    `json:"key"` // the Ed25519 seed, base64
	Created time.Time `json:"created"`
}

const operatorKind = "operator key"

// NewOperator draws a key and writes it to a file, which must not exist.
func NewOperator(path, name string) (*Operator, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	f := operatorFile{Version: 1, Kind: operatorKind, Name: name, Key: key.Seed(), Created: time.Now().UTC().Truncate(time.Second)}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, err
	}
	return &Operator{name, key}, disk.CreateFile(disk.OS, path, append(b, '\n'))
}

// ReadOperator reads an operator's key. A file others can read is refused.
func ReadOperator(path string) (*Operator, error) {
	if err := disk.CheckPrivate(path); err != nil {
		return nil, err
	}
	b, err := disk.ReadFile(disk.OS, path, 1<<14)
	if err != nil {
		return nil, err
	}
	var f operatorFile
	if err := decodeStrict(b, &f); err != nil || f.Version != 1 || f.Kind != operatorKind || len(f.Key) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is not an operator key", path)
	}
	return &Operator{f.Name, ed25519.NewKeyFromSeed(f.Key)}, nil
}

func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one value")
	}
	return nil
}

// Name is what an operator is called in a data directory. The log knows keys
// alone: names of people do not belong into what is never erased.
type Name struct {
	Name  string              `json:"name"`
	Key   indelible.PublicKey `json:"key"`
	Added time.Time           `json:"added"`
}

const namesFile = "operators.json"

// ReadNames reads the names of a data directory's operators; none is no error.
func ReadNames(dir string) ([]Name, error) {
	b, err := disk.ReadFile(disk.OS, filepath.Join(dir, "keys", namesFile), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []Name
	if err := decodeStrict(b, &names); err != nil {
		return nil, fmt.Errorf("%s: %w", namesFile, err)
	}
	return names, nil
}

// AddName notes what an operator is called.
func AddName(dir, name string, key indelible.PublicKey) error {
	names, err := ReadNames(dir)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n Name) bool { return n.Key == key })
	names = append(names, Name{name, key, time.Now().UTC().Truncate(time.Second)})
	b, err := json.MarshalIndent(names, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, filepath.Join(dir, "keys", namesFile), append(b, '\n'))
}

// OperatorPath is where an operator's key lies unless somebody chooses another place.
func OperatorPath(dir, name string) string {
	return filepath.Join(dir, "keys", "operator-"+name+".key")
}

// CheckName refuses names that are no file name of letters, digits, - and _.
func CheckName(name string) error {
	for _, c := range name {
		if c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return fmt.Errorf("operator name %q: want letters, digits, - and _", name)
		}
	}
	if name == "" || len(name) > 64 {
		return errors.New("operator name: want 1 to 64 letters, digits, - and _")
	}
	return nil
}
