package access_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indelible/internal/access"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func add(t *testing.T, keys *access.Keys, name string, expires *time.Time, roles ...access.Role) (string, *access.Key) {
	t.Helper()
	text, key, err := keys.New(name, roles, false, []string{"acme"}, expires, "")
	if err == nil {
		err = keys.Add(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text, key
}

func TestKeys(t *testing.T) {
	t.Parallel()
	c := &clock{time.Now().Truncate(time.Second)}
	dir := filepath.Join(t.TempDir(), "access")
	keys := access.OpenKeys(dir, c.Now)
	soon := c.now.Add(time.Hour)
	text, key := add(t, keys, "app", &soon, access.Writer)

	who, err := access.OpenKeys(dir, c.Now).Authenticate(text)
	if err != nil || who.Name != "app" || who.KeyID != key.ID || !who.Has(access.Writer) || who.All || who.Tenants[0] != "acme" {
		t.Fatalf("authenticated %+v, %v", who, err)
	}
	if used := keys.LastUsed(key.ID); !used.Equal(c.now) {
		t.Errorf("last used %v, want %v", used, c.now)
	}
	// Nothing of the secret is on the disk.
	err = filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if strings.Contains(string(b), text[20:60]) {
			t.Errorf("%s holds the secret", name)
		}
		info, _ := e.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	for what, wrong := range map[string]string{
		"empty": "", "prefix": access.KeyPrefix, "cut short": text[:len(text)-1], "longer": text + "a", "upper case": strings.ToUpper(text),
		"a letter changed": text[:30] + flip(text[30]) + text[31:], "of the checksum": text[:len(text)-1] + flip(text[len(text)-1]),
		"spaces": " " + text[:len(text)-1], "line break": text[:20] + "\n" + text[21:],
	} {
		if _, err := keys.Authenticate(wrong); !errors.Is(err, access.ErrNoKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	stranger, _, err := keys.New("nobody", []access.Role{access.Reader}, true, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(stranger); !errors.Is(err, access.ErrRefused) {
		t.Errorf("a key that was not added: %v", err)
	}

	c.now = soon
	if _, err := access.OpenKeys(dir, c.Now).Authenticate(text); !errors.Is(err, access.ErrRefused) {
		t.Errorf("an expired key: %v", err)
	}
}

func flip(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

// TestRotation: two keys of a name live at once, and one that was revoked is
// refused by a server that has read it before.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "access")
	keys, server := access.OpenKeys(dir, nil), access.OpenKeys(dir, nil)
	first, firstKey := add(t, keys, "app", nil, access.Reader)
	if _, err := server.Authenticate(first); err != nil {
		t.Fatal(err)
	}
	second, _ := add(t, keys, "app", nil, access.Reader)
	if _, _, err := keys.New("app", []access.Role{access.Reader}, true, nil, nil, ""); !errors.Is(err, access.ErrTooMany) {
		t.Errorf("a third key of the name: %v", err)
	}
	if _, err := keys.Revoke(firstKey.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Revoke("nothing"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("revoking what is not there: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, errFirst := server.Authenticate(first)
		_, errSecond := server.Authenticate(second)
		if errors.Is(errFirst, access.ErrRefused) && errSecond == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server has not noticed: %v, %v", errFirst, errSecond)
		}
	}
	list, err := keys.List()
	if err != nil || len(list) != 2 || list[0].Revoked == nil && list[1].Revoked == nil {
		t.Errorf("list %+v, %v", list, err)
	}
	// What cannot be read may be a revocation.
	if err := os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.OpenKeys(dir, nil).Authenticate(second); err == nil || errors.Is(err, access.ErrRefused) {
		t.Errorf("with an unreadable key: %v", err)
	}
}

func TestKeysThatAreNotMade(t *testing.T) {
	t.Parallel()
	keys := access.OpenKeys(t.TempDir(), nil)
	past, hour, day := time.Now().Add(-time.Second), time.Now().Add(time.Hour), time.Now().Add(24*time.Hour)
	reader, glass := []access.Role{access.Reader}, []access.Role{access.BreakGlass}
	one := []string{"acme"}
	for what, c := range map[string]struct {
		name    string
		roles   []access.Role
		all     bool
		tenants []string
		expires *time.Time
		ticket  string
	}{
		"no name":                  {"", reader, true, nil, nil, ""},
		"line break":               {"a\nb", reader, true, nil, nil, ""},
		"no role":                  {"a", nil, true, nil, nil, ""},
		"no tenant":                {"a", reader, false, nil, nil, ""},
		"all and one":              {"a", reader, true, one, nil, ""},
		"the log's own tenant":     {"a", reader, false, []string{"_access"}, nil, ""},
		"expired":                  {"a", reader, true, nil, &past, ""},
		"glass without ticket":     {"a", glass, true, nil, &hour, ""},
		"glass for ever":           {"a", glass, true, nil, nil, "T-1"},
		"glass for a day":          {"a", glass, true, nil, &day, "T-1"},
		"glass and more":           {"a", append(glass, access.Writer), true, nil, &hour, "T-1"},
		"a ticket without a glass": {"a", reader, true, nil, nil, "T-1"},
	} {
		if _, _, err := keys.New(c.name, c.roles, c.all, c.tenants, c.expires, c.ticket); err == nil {
			t.Errorf("%s: a key was made", what)
		}
	}
	if _, _, err := keys.New("a", glass, true, nil, &hour, "T-1"); err != nil {
		t.Errorf("break-glass: %v", err)
	}
}

func FuzzKey(f *testing.F) {
	keys := access.OpenKeys(f.TempDir(), nil)
	text, _, err := keys.New("app", []access.Role{access.Reader}, true, nil, nil, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("ind_")
	f.Add(strings.Repeat("a", len(text)))
	f.Fuzz(func(t *testing.T, s string) {
		if who, err := keys.Authenticate(s); err == nil {
			t.Errorf("%q is the key of %+v", s, who)
		}
	})
}
