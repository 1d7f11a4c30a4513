package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"indelible"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/mask"
	"indelible/internal/recorder"
	"indelible/internal/seal"
	"indelible/internal/store"
)

// servedMasks give exporters elsewhere what this ledger's exports mask with.
type servedMasks struct {
	session *session
	idKey   *[32]byte
	text    json.RawMessage
	policy  *mask.Policy
	keys    *seal.Keys // nil: the ledger has none
}

func newServedMasks(s *session, idKey *[32]byte) (*servedMasks, error) {
	m := &servedMasks{session: s, idKey: idKey}
	var err error
	if m.policy, err = maskPolicy(s.dir, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export }); err != nil {
		return nil, err
	}
	if m.text, err = json.Marshal(m.policy); err != nil {
		return nil, fmt.Errorf("masking policy: %w", err)
	}
	if sealed, ok := s.sealer.(*recorder.Sealed); ok && sealed.Keys != nil {
		m.keys = sealed.Keys
	}
	return m, nil
}

// Policy implements api.Masks.
func (m *servedMasks) Policy() (json.RawMessage, string) { return m.text, m.policy.Version() }

// Tenant implements api.Masks. Before the log is replayed nobody can say who was
// erased, and then no key is given out.
func (m *servedMasks) Tenant(ctx context.Context, tenant string) (*api.TenantMasks, error) {
	if m.keys == nil {
		return nil, api.ErrNoKeys
	}
	wait, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := m.session.ledger.Ready(wait); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: who was erased is not known yet", store.ErrUnavailable)
	} else if err != nil {
		return nil, err
	}
	ref := indelible.TenantRef(m.idKey, tenant)
	key, err := m.keys.PurposeKey(ctx, ref, pseudonymPurpose)
	if err != nil {
		return nil, fmt.Errorf("key of the pseudonyms of tenant %s: %w", field(tenant), err)
	}
	tokens, err := m.keys.Suppressed(ctx, ref)
	if err != nil {
		return nil, err
	}
	subjects, err := m.keys.ErasedSubjects(ref)
	if err != nil {
		return nil, err
	}
	out := &api.TenantMasks{KeyID: hex.EncodeToString(key.ID[:]), Key: key.Key[:], Suppressed: []string{}, Erased: []indelible.Ref{}}
	out.Suppressed = slices.AppendSeq(out.Suppressed, maps.Keys(tokens))
	slices.Sort(out.Suppressed)
	if len(tokens) > 0 {
		if out.FormerKeys, err = m.keys.FormerPurposeKeys(ctx, ref, pseudonymPurpose); err != nil {
			return nil, err
		}
	}
	if len(subjects) > 0 {
		own, err := m.session.ledger.Tenant(tenant, m.session.sealer.SealDescriptor)
		if err != nil {
			return nil, err
		}
		out.Erased = slices.AppendSeq(out.Erased, maps.Keys(subjects))
		out.ErasedKey = own.IDKey[:]
	}
	return out, nil
}
