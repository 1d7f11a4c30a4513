package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"indelible"
)

// Types of the events that tell the ledger about datasets.
const (
	eventStarted  = "dataset.export.started"
	eventExported = "dataset.exported"
	eventPurged   = "dataset.purged"
)

// systemTenant has one event for each export as a whole.
const systemTenant = "_system"

// eventID is the id of an event that is made from what it is about, so that
// recording it again changes nothing: a UUID of version 8.
func eventID(parts ...string) string {
	sum := sha256.Sum256([]byte("indelible/v1 dataset event\x00" + strings.Join(parts, "\x00")))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ofLedger says whether a tenant can have events: rows may name none.
func ofLedger(tenant string) bool {
	return tenant != "" && !strings.HasPrefix(tenant, indelible.ReservedTenantPrefix)
}

// startedEvents say that an attempt begins. Of all tenants in one scan nobody
// knows yet which there are.
func startedEvents(p *plan, j *Job, spec *Spec) ([]*indelible.Event, error) {
	about := map[string]any{
		"actor": p.ActorKind, "attempt": p.Attempt, "export_timestamp": p.ExportTimestamp.String(), "format": spec.Format, "masks": spec.Masks,
		"run_id": p.RunID, "spec": p.Spec,
	}
	if spec.AllTenants {
		about["all_tenants"] = true
	}
	details, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	at := j.now()
	var events []*indelible.Event
	for _, tenant := range append([]string{systemTenant}, spec.Tenants...) {
		if tenant != systemTenant && !ofLedger(tenant) {
			continue
		}
		events = append(events, &indelible.Event{
			ID:        eventID(eventStarted, p.RunID, strconv.Itoa(p.Attempt), tenant),
			Timestamp: at, EventType: eventStarted, UserID: p.Actor, TenantID: tenant, ResourceType: "dataset", ResourceID: p.RunID,
			Action: "export", Outcome: "started", Details: details,
		})
	}
	return events, nil
}

// exportedEvents say what a manifest says: one event for each tenant with its
// own counts, and one of the whole, which is the first. They follow from the
// manifest's bytes and the plan alone.
func exportedEvents(m *Manifest, encoded []byte, actor, actorKind string) ([]*indelible.Event, error) {
	d := &m.Dataset
	about := map[string]any{
		"actor": actorKind, "format": d.Spec.Format, "manifest_version": m.Version, "manifest_sha256": indelible.Hash(sha256.Sum256(encoded)),
		"masks": d.Masks.Mode, "rows": d.Rows, "run_id": d.RunID, "content_digest": d.ContentDigest, "files": len(d.Files),
	}
	if d.Chain != nil {
		about["chain"], about["sequence"] = d.Chain.Name, d.Chain.Sequence
	}
	if d.Source.Sample {
		about["sample"] = true
	}
	events := make([]*indelible.Event, 0, len(d.Tenants)+1)
	add := func(tenant string) error {
		details, err := json.Marshal(about)
		if err != nil {
			return err
		}
		events = append(events, &indelible.Event{
			ID:        exportedID(m.Version, tenant),
			Timestamp: m.Run.Finished.Time, EventType: eventExported, UserID: actor, TenantID: tenant,
			ResourceType: "dataset", ResourceID: m.Version.String(), Action: "export", Outcome: "success", Details: details,
		})
		return nil
	}
	if err := add(systemTenant); err != nil {
		return nil, err
	}
	delete(about, "files")
	delete(about, "content_digest")
	for _, t := range d.Tenants {
		if !ofLedger(t.TenantID) {
			continue
		}
		about["rows"] = t.Rows
		delete(about, "content_digest")
		if t.ContentDigest != nil {
			about["content_digest"] = *t.ContentDigest
		}
		if err := add(t.TenantID); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func exportedID(version indelible.Hash, tenant string) string {
	return eventID(eventExported, version.String(), tenant)
}

// purgedEvent says that the files of a dataset were deleted.
func purgedEvent(m *Manifest, at time.Time, actor, actorKind string) (*indelible.Event, error) {
	details, err := json.Marshal(map[string]any{"actor": actorKind, "manifest_version": m.Version, "rows": m.Dataset.Rows, "run_id": m.Dataset.RunID})
	return &indelible.Event{
		ID:        eventID(eventPurged, m.Version.String(), at.String()),
		Timestamp: at, EventType: eventPurged, UserID: actor, TenantID: systemTenant, ResourceType: "dataset", ResourceID: m.Version.String(),
		Action: "purge", Outcome: "success", Details: details,
	}, err
}

// recorded is what a dataset.exported event says about a manifest.
type recorded struct {
	Version indelible.Hash `json:"manifest_version"`
	SHA256  indelible.Hash `json:"manifest_sha256"`
}

// tells checks that an event was recorded for this manifest, byte for byte.
func tells(e *indelible.Event, m *Manifest, encoded []byte) error {
	if e == nil || e.EventType != eventExported || e.TenantID != systemTenant {
		return fmt.Errorf("%w: what was recorded is no export", ErrDamaged)
	}
	var r recorded
	if err := json.Unmarshal(e.Details, &r); err != nil {
		return fmt.Errorf("%w: what was recorded cannot be read: %v", ErrDamaged, err)
	}
	if r.Version != m.Version || r.SHA256 != indelible.Hash(sha256.Sum256(encoded)) {
		return fmt.Errorf("%w: the manifest is not the one that was recorded", ErrDamaged)
	}
	return nil
}
