package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/mask"
	"indelible/internal/recorder"
)

// erasedPersons knows who was erased from a log. The list in the key store has
// the pseudonyms of the day; the fences in the log outlast the key of those, and
// a key store from before.
type erasedPersons struct {
	reading *reading
	sealed  *recorder.Sealed
	idKey   *[32]byte
}

// erasedPersons reads the fences of a log whose records are encrypted. Where
// they cannot be read nobody can say who was erased.
func (a *app) erasedPersons(ctx context.Context, idKey *[32]byte) (*erasedPersons, error) {
	r, err := a.openForReading(ctx)
	if err != nil {
		return nil, fmt.Errorf("who was erased from the log: %w", err)
	}
	sealed, ok := r.sealer.(*recorder.Sealed)
	if !ok || sealed.Keys == nil {
		return nil, failf(exitWrongKey, "`indelible keys restore` brings back keys from a backup", "who was erased from the log: the key store cannot be read")
	}
	return &erasedPersons{r, sealed, idKey}, nil
}

// suppressed is what mask.Options.Suppressed is for a tenant; nil: nobody was
// erased.
type suppressed = func(mask.Identity) bool

// erasedList is who was erased from a tenant: their pseudonyms, and what their
// names are compared with under a key.
type erasedList struct {
	tokens   map[string]bool
	former   [][]byte // keys of pseudonyms before the last: tokens may be of them
	subjects map[indelible.Ref]bool
	key      [32]byte
}

func (l *erasedList) has(who mask.Identity) bool {
	if l.tokens[who.Token] || len(l.subjects) > 0 && (l.subjects[indelible.SubjectRef(&l.key, who.Found)] || l.subjects[indelible.SubjectRef(&l.key, who.Compared)]) {
		return true
	}
	return slices.ContainsFunc(l.former, func(key []byte) bool { return l.tokens[who.Under(key)] })
}

// of is who was erased from a tenant.
func (p *erasedPersons) of(ctx context.Context, tenant string) (suppressed, error) {
	ref := indelible.TenantRef(p.idKey, tenant)
	tokens, err := p.sealed.Keys.Suppressed(ctx, ref)
	if err != nil {
		return nil, err
	}
	subjects, err := p.sealed.Keys.ErasedSubjects(ref)
	if err != nil {
		return nil, err
	}
	if len(subjects) == 0 && len(tokens) == 0 {
		return nil, nil
	}
	list := &erasedList{tokens: tokens}
	if len(tokens) > 0 {
		if list.former, err = p.sealed.Keys.FormerPurposeKeys(ctx, ref, pseudonymPurpose); err != nil {
			return nil, fmt.Errorf("who was erased from tenant %s: %w", field(tenant), err)
		}
	}
	if len(subjects) == 0 {
		return list.has, nil
	}
	salt, err := p.reading.TenantSalt(ctx, ref, p.sealed)
	if errors.Is(err, ledger.ErrNotFound) {
		return list.has, nil // the tenant was erased, too, with what its fences were made with
	}
	if err != nil {
		return nil, fmt.Errorf("who was erased from tenant %s: %w", field(tenant), err)
	}
	list.subjects, list.key = subjects, indelible.TenantKey(p.idKey, &salt)
	return list.has, nil
}

// known makes sure that the log knows a tenant: pseudonyms of a misspelt one
// would join nothing, and nobody would see it.
func (p *erasedPersons) known(ctx context.Context, tenant string) error {
	refs, err := p.reading.TenantRefs(ctx)
	if err == nil && !slices.Contains(refs, indelible.TenantRef(p.idKey, tenant)) {
		return p.reading.notFound("tenant "+field(tenant), "")
	}
	return err
}
