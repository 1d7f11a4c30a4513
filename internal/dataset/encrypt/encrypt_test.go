package encrypt

import (
	"bytes"
	"io"
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

// TestRecipients: each recipient reads the file, nobody else does, and a changed
// or missing byte is an error.
func TestRecipients(t *testing.T) {
	t.Parallel()
	one, two, other := identity(t), identity(t), identity(t)
	to, err := To([]string{one.Recipient().String(), " " + two.Recipient().String() + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a row\n", 50_000)
	var file bytes.Buffer
	w, err := to(&file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(id *age.X25519Identity, stored []byte) (string, error) {
		open, err := With(strings.NewReader("# a comment\n" + id.String() + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := open(bytes.NewReader(stored))
		if err != nil {
			return "", err
		}
		got, err := io.ReadAll(r)
		return string(got), err
	}
	for _, id := range []*age.X25519Identity{one, two} {
		if got, err := read(id, file.Bytes()); err != nil || got != text {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
	}
	if _, err := read(other, file.Bytes()); err == nil {
		t.Error("somebody else can read it")
	}
	for _, at := range []int{0, 200, file.Len() / 2, file.Len() - 1} {
		changed := bytes.Clone(file.Bytes())
		changed[at] ^= 1
		if _, err := read(one, changed); err == nil {
			t.Errorf("byte %d changed, and nobody saw", at)
		}
		if _, err := read(one, file.Bytes()[:at]); err == nil {
			t.Errorf("cut at byte %d, and nobody saw", at)
		}
	}
}

// TestBadKeys: what is no recipient or identity is refused, and its text, which
// may be a secret, is not told.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	secret := identity(t).String()
	for _, list := range [][]string{nil, {""}, {"age1nobody"}, {secret}} {
		if _, err := To(list); err == nil || strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("%d recipients: %v", len(list), err)
		}
	}
	for _, file := range []string{"", secret + "x", "age1nobody"} {
		if _, err := With(strings.NewReader(file)); err == nil || strings.Contains(err.Error(), secret[20:40]) {
			t.Errorf("identities: %v", err)
		}
	}
}
