// Package encrypt encrypts the files of datasets to age recipients, and opens
// them again.
package encrypt

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// To gives a function that encrypts what is written to it to the recipients
// (age1…). Nobody but they can read it, not even who wrote it.
func To(recipients []string) (func(io.Writer) (io.WriteCloser, error), error) {
	var to []age.Recipient
	for _, text := range recipients {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			return nil, errors.New("a secret key is given where an age recipient (age1…) belongs")
		}
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("%.20q is not an age recipient", text)
		}
		to = append(to, r)
	}
	if len(to) == 0 {
		return nil, errors.New("no recipient")
	}
	return func(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, to...) }, nil
}

// With gives a function that decrypts with the identities in a file as
// age-keygen writes it.
func With(identities io.Reader) (func(io.Reader) (io.Reader, error), error) {
	ids, err := age.ParseIdentities(identities)
	if err != nil {
		return nil, errors.New("not a file of age identities") // its text may be a secret
	}
	return func(r io.Reader) (io.Reader, error) { return age.Decrypt(r, ids...) }, nil
}
