package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/mask"
	"indelible/internal/seal"
)

// What keys of pseudonyms are for: those in datasets join among themselves, and
// so do those in events.
const (
	pseudonymPurpose = "dataset pseudonyms"
	eventPurpose     = "event pseudonyms"
)

// pseudonymKeys are the keys that tenants' pseudonyms are made with, for one
// purpose. The key store makes them on first use.
type pseudonymKeys struct {
	keys    *seal.Keys
	idKey   *[32]byte
	purpose string

	mu   sync.Mutex
	made map[string]*seal.DataKey // by tenant
}

func newPseudonymKeys(keys *seal.Keys, idKey *[32]byte, purpose string) *pseudonymKeys {
	return &pseudonymKeys{keys: keys, idKey: idKey, purpose: purpose, made: make(map[string]*seal.DataKey)}
}

// openPseudonyms opens what pseudonyms in datasets are made with, and who has
// none. Where a ledger has no keys the hint says what gives [TYPE] instead.
func (a *app) openPseudonyms(ctx context.Context, d *datadir.Directory, idKey *[32]byte, instead string) (*pseudonymKeys, *erasedPersons, error) {
	if !d.Encrypted() {
		return nil, nil, failf(exitNoLedger, instead+" to write [TYPE] in their place, or make a ledger with encrypted records: its key store holds the keys of pseudonyms",
			"pseudonyms need a key, and this ledger has no key store")
	}
	erased, err := a.erasedPersons(ctx, idKey)
	if err != nil {
		return nil, nil, err
	}
	keys, err := d.OpenKeys(ctx, false, a.env)
	if err != nil {
		return nil, nil, fmt.Errorf("keys of pseudonyms: %w", err)
	}
	return newPseudonymKeys(keys, idKey, pseudonymPurpose), erased, nil
}

// of is the key of a tenant; of nil keys there is none.
func (p *pseudonymKeys) of(ctx context.Context, tenant string) ([]byte, error) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.made[tenant]
	if !ok {
		var err error
		if k, err = p.keys.PurposeKey(ctx, indelible.TenantRef(p.idKey, tenant), p.purpose); err != nil {
			return nil, fmt.Errorf("key of the pseudonyms of tenant %s: %w", field(tenant), err)
		}
		p.made[tenant] = k
	}
	return k.Key[:], nil
}

// tokensOf are the pseudonyms a person has in data sets, as whatever kind of
// identity the name may be found there.
func tokensOf(ctx context.Context, d *datadir.Directory, keys *seal.Keys, idKey *[32]byte, tenant, subject string) (tokens []string, err error) {
	policy, err := maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export })
	if err != nil {
		return nil, err
	}
	key, err := newPseudonymKeys(keys, idKey, pseudonymPurpose).of(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, t := range []mask.Type{mask.Email, mask.Phone, mask.Person, mask.User, mask.Account, mask.NationalID} {
		tokens = append(tokens, mask.TokenOf(key, policy, t, subject))
	}
	return tokens, nil
}

// ids are those of the keys that were used, in order.
func (p *pseudonymKeys) ids() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.made {
		all = append(all, hex.EncodeToString(k.ID[:]))
	}
	slices.Sort(all)
	return all
}
