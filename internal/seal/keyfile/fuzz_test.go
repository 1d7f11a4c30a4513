package keyfile

import (
	"bytes"
	"testing"
	"time"

	"indelible/internal/seal"
)

// FuzzParse: no file is more than it says, and what is taken is written the same.
func FuzzParse(f *testing.F) {
	good, err := newContents(time.Unix(0, 0)).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"versions"`), []byte(`"destroyed":true,"versions"`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b)
		if err != nil {
			return
		}
		text, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parse(text); err != nil || again.ID != c.ID || len(again.Versions) != len(c.Versions) {
			t.Errorf("%q was taken and %q is not: %v", b, text, err)
		}
	})
}

// FuzzUnwrap: nothing but what was wrapped comes out.
func FuzzUnwrap(f *testing.F) {
	c := newContents(time.Unix(0, 0))
	key := bytes.Repeat([]byte{7}, 32)
	kc := seal.Context{{Name: "log", Value: "a"}}
	good := wrap(&c.Versions[0], c.ID, key, kc)
	f.Add(good)
	f.Add(good[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := versionOf(b); err != nil || n != 1 {
			return
		}
		if got, err := unwrap(&c.Versions[0], c.ID, b, kc); err == nil && !bytes.Equal(b, good) {
			t.Errorf("%x unwraps to %x", b, got)
		}
	})
}
