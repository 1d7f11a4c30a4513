package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// ErrWrongKey: a checkpoint does not carry a signature by the key we trust.
var ErrWrongKey = errors.New("checkpoint is not signed by this log key")

// maxCheckpoint bounds what is read as a checkpoint: a note of at most 100 signatures.
const maxCheckpoint = 64 << 10

// Checkpoint is a tree head whose signature by the log key was verified.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   indelible.Hash
	Signed []byte // the note
}

// OpenCheckpoint verifies a signed checkpoint with a log's verifier key.
func OpenCheckpoint(signed []byte, vkey string) (*Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return nil, fmt.Errorf("checkpoint: %d bytes, limit %d", len(signed), maxCheckpoint)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("verifier key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		var unverified *note.UnverifiedNoteError
		var invalid *note.InvalidSignatureError
		if errors.As(err, &unverified) || errors.As(err, &invalid) {
			return nil, fmt.Errorf("%w (%s)", ErrWrongKey, v.Name())
		}
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Origin != v.Name() {
		return nil, fmt.Errorf("%w: its origin is %q, the key's %q", ErrWrongKey, c.Origin, v.Name())
	}
	if c.Extension != "" || c.String() != n.Text {
		return nil, errors.New("checkpoint: extension lines or a form other than C2SP tlog-checkpoint's")
	}
	if err := strictSignatures(signed, n); err != nil {
		return nil, err
	}
	return &Checkpoint{Origin: c.Origin, Size: uint64(c.N), Root: indelible.Hash(c.Hash), Signed: bytes.Clone(signed)}, nil
}

// strictSignatures refuses signature lines in a base64 that is not the only
// form of its bytes: a changed byte must never go unseen.
func strictSignatures(signed []byte, n *note.Note) error {
	text := string(signed[len(n.Text)+1:])
	for line := range strings.Lines(text) {
		_, encoded, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
		b, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || err != nil || base64.StdEncoding.EncodeToString(b) != encoded {
			return errors.New("checkpoint: malformed signature line")
		}
	}
	return nil
}

// signCheckpoint signs a tree head with the log keys: the current one and,
// while a rotation overlaps, the one before it.
func signCheckpoint(origin string, size uint64, root indelible.Hash, keys []ed25519.PrivateKey) ([]byte, error) {
	c := torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: int64(size), Hash: tlog.Hash(root)}}
	var signers []note.Signer
	for _, key := range keys {
		s, err := newNoteSigner(origin, key)
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	return note.Sign(&note.Note{Text: c.String()}, signers...)
}

// noteSigner signs notes with an Ed25519 key, as note.NewSigner does, without
// taking the private key through text.
type noteSigner struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

func newNoteSigner(origin string, key ed25519.PrivateKey) (*noteSigner, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return &noteSigner{v.Name(), v.KeyHash(), key}, nil
}

func (s *noteSigner) Name() string                    { return s.name }
func (s *noteSigner) KeyHash() uint32                 { return s.hash }
func (s *noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
