package backup

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestBackup(t *testing.T) {
	t.Parallel()
	one, two, other := identity(t), identity(t), identity(t)
	secret := []byte("a secret of some length")
	file, err := Encrypt(secret, []string{one.Recipient().String(), two.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, secret) || !bytes.HasPrefix(file, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
		t.Errorf("not an encrypted text file: %s", file)
	}
	for _, id := range []*age.X25519Identity{one, two} {
		got, err := Decrypt(bytes.NewReader(file), strings.NewReader("# a comment\n"+id.String()+"\n"))
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := Decrypt(bytes.NewReader(file), strings.NewReader(other.String())); !errors.Is(err, ErrIdentity) {
		t.Errorf("with another identity: %v", err)
	}
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1
		if got, err := Decrypt(bytes.NewReader(bad), strings.NewReader(one.String())); err == nil && !bytes.Equal(got, secret) {
			t.Fatalf("byte %d changed: read %q", i, got)
		}
	}
}

// TestRefused: what is no recipient or identity is refused, and never shown.
func TestRefused(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for _, to := range [][]string{nil, {""}, {"age1short"}, {"/etc/passwd"}, {"# comment"}} {
		if _, err := Encrypt(nil, to); err == nil {
			t.Errorf("encrypted to %q", to)
		}
	}
	damaged := strings.Replace(id.String(), "1", "2", 3)
	_, err := Decrypt(strings.NewReader("x"), strings.NewReader(damaged))
	if err == nil || strings.Contains(err.Error(), damaged[20:40]) {
		t.Errorf("a damaged identity: %v", err)
	}
	if _, err := Decrypt(strings.NewReader("not an age file"), strings.NewReader(id.String())); err == nil {
		t.Error("decrypted what is no age file")
	}
}
