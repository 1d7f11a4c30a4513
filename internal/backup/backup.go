// Package backup encrypts what must not be lost, to keys that are kept
// elsewhere: age files, in their text form.
package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// ErrIdentity: none of the identities opens the file.
var ErrIdentity = errors.New("the backup is not encrypted to this identity")

// maxPlain bounds what is decrypted: a backup holds a few keys.
const maxPlain = 1 << 29

// Encrypt encrypts to age recipients (age1…), each of which can decrypt it alone.
func Encrypt(plain []byte, to []string) ([]byte, error) {
	var recipients []age.Recipient
	for _, s := range to {
		// ParseRecipients reads lines; a name of a file must not end up here.
		r, err := age.ParseRecipients(strings.NewReader(s))
		if err != nil || !strings.HasPrefix(s, "age1") {
			return nil, fmt.Errorf("%q is not an age recipient", s)
		}
		recipients = append(recipients, r...)
	}
	if len(recipients) == 0 {
		return nil, errors.New("no recipient")
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := errors.Join(w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// Decrypt opens an age file, text or binary, with the identities in an
// identity file (AGE-SECRET-KEY-…, one a line).
func Decrypt(file io.Reader, identities io.Reader) ([]byte, error) {
	ids, err := age.ParseIdentities(io.LimitReader(identities, 1<<20))
	if err != nil {
		// age's error may repeat the line, which may be a secret.
		return nil, errors.New("not an age identity file: it holds lines that begin with AGE-SECRET-KEY-1")
	}
	r := bufio.NewReader(file)
	in := io.Reader(r)
	if begin, err := r.Peek(len(armor.Header)); err == nil && string(begin) == armor.Header {
		in = armor.NewReader(r)
	}
	plain, err := age.Decrypt(in, ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrIdentity
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(plain, maxPlain+1))
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if len(b) > maxPlain {
		return nil, fmt.Errorf("decrypt: more than %d bytes", maxPlain)
	}
	return b, nil
}
