package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/recorder"
)

// logTenant is the log's own tenant that has an event of each export as a whole.
const logTenant = "_system"

// datasetEvents are the types of events an exporter records, and no others.
var datasetEvents = []string{"dataset.export.started", "dataset.exported", "dataset.purged"}

// DatasetRecorded is the answer to events of an export.
type DatasetRecorded struct {
	Receipts []*indelible.Receipt `json:"receipts"`
	// Evidence proves the first event of the export as a whole; absent while the
	// store does not answer.
	Evidence *indelible.Evidence `json:"evidence,omitempty"`
}

// postDataset answers POST /v1/datasets: what an exporter says of a dataset, before
// its first row and after its last. All of it is recorded, or nothing.
func (s *Server) postDataset(a *asking) error {
	scope, err := s.permit(a, access.Export, "record_export")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || media != "application/x-ndjson" {
		return problem(http.StatusUnsupportedMediaType, "media_type", "send application/x-ndjson")
	}
	release, p := s.large.take(a.who.KeyID)
	if p != nil {
		return p
	}
	defer release()
	body, err := readBody(a)
	if err != nil {
		return err
	}
	events, err := s.exportEvents(a, scope, body)
	if err != nil {
		return err
	}
	if p := s.limits.take(a.who.KeyID, len(events)); p != nil {
		return p
	}
	answer, code, err := s.recordExport(a.Context(), events)
	if err != nil {
		return err
	}
	writeJSON(a.w, code, answer)
	return nil
}

// exportEvents reads events of exports that are the caller's to record. Who
// exported is whose key it is, whatever the events say.
func (s *Server) exportEvents(a *asking, scope access.TenantScope, body []byte) (events []*indelible.Event, err error) {
	for text := range bytes.Lines(body) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if len(events) == maxLines {
			return nil, problem(http.StatusRequestEntityTooLarge, "too_large", "a body has at most 10000 lines")
		}
		e, err := indelible.ParseStoredEvent(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(datasetEvents, e.EventType) || e.ResourceType != "dataset" {
			return nil, &indelible.FieldError{Field: "event_type", Problem: "is none of an export", Hint: "one of " + strings.Join(datasetEvents, ", ") + ", about a dataset"}
		}
		var details map[string]json.RawMessage
		if err := json.Unmarshal(e.Details, &details); err != nil || details == nil {
			return nil, &indelible.FieldError{Field: "details", Problem: "missing"}
		}
		_, all := scope.Tenants()
		if e.TenantID != logTenant && !scope.Allows(e.TenantID) || string(details["all_tenants"]) == "true" && !all {
			a.look.Tenants = nil // the name is not the caller's to put into the log
			return nil, s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", "an exporter's key is for each tenant of the dataset"))
		}
		e.UserID = a.who.Name
		details["actor"] = json.RawMessage(`"authenticated"`)
		if text, err = json.Marshal(details); err != nil {
			return nil, err
		}
		if e.Details, err = indelible.AppendCanonicalJSON(nil, text); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, problem(http.StatusBadRequest, "bad_request", "there is no event")
	}
	return events, nil
}

// recordExport records events, waits for their places and proves the first of the
// export as a whole.
func (s *Server) recordExport(ctx context.Context, events []*indelible.Event) (*DatasetRecorded, int, error) {
	wait, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	x := &DatasetRecorded{Receipts: make([]*indelible.Receipt, len(events))}
	var fresh []*indelible.Event
	var at []int
	for i, e := range events {
		known, err := s.known(wait, e)
		if err != nil {
			return nil, 0, err
		}
		if x.Receipts[i] = known; known == nil {
			fresh, at = append(fresh, e), append(at, i)
		}
	}
	pending, err := s.cfg.Recorder.Record(wait, fresh, recorder.Options{AwaitStore: true, Import: true, System: true})
	if err != nil {
		return nil, 0, err
	}
	code, store := http.StatusOK, true
	for i, p := range pending {
		r := s.settle(wait, p, store)
		if r.Problem != nil {
			return nil, 0, r.Problem
		}
		x.Receipts[at[i]] = r.Receipt
		code = max(code, r.Status)
		store = store && r.Status != http.StatusAccepted
	}
	s.metrics.recorded(len(fresh))
	if !store {
		return x, http.StatusAccepted, nil
	}
	for i, e := range events {
		if e.TenantID == logTenant {
			x.Evidence, err = s.proveNow(wait, x.Receipts[i])
			break
		}
	}
	return x, code, err
}

// known is the receipt of an event that the log has, whoever said it: what was
// begun under one key may be ended under another. Nil where it has none.
func (s *Server) known(ctx context.Context, e *indelible.Event) (*indelible.Receipt, error) {
	keys, err := s.cfg.Ledger.Tenant(e.TenantID, s.cfg.Sealer.SealDescriptor)
	if err != nil {
		return nil, err
	}
	at, payload, found, err := s.cfg.Ledger.Lookup(ctx, indelible.EventRef(&keys.IDKey, e.ID), true)
	if err != nil || !found || payload == nil {
		return nil, err
	}
	opened, err := s.cfg.Sealer.Open(payload)
	if err != nil || opened.Event == nil || !sameExport(opened.Event, e) {
		return nil, err // the recorder says what is wrong with it
	}
	audit := indelible.Hash(opened.Event.AuditHash())
	return &indelible.Receipt{
		ID: e.ID, TenantID: e.TenantID, AuditHash: audit.String(), Durability: indelible.DurableStore, Repeat: true,
		Index: &at.Index, LeafHash: &at.Leaf, Segment: &at.Segment,
	}, nil
}

// sameExport reports whether two events say the same of a dataset.
func sameExport(x, y *indelible.Event) bool {
	said := func(e *indelible.Event) (d map[string]any) {
		if json.Unmarshal(e.Details, &d) == nil {
			delete(d, "actor")
		}
		return d
	}
	return x.EventType == y.EventType && x.ResourceID == y.ResourceID && x.Action == y.Action && x.Outcome == y.Outcome &&
		x.Timestamp.Equal(y.Timestamp) && reflect.DeepEqual(said(x), said(y))
}

// proveNow publishes the log and proves an event of it; nil if the store went away.
func (s *Server) proveNow(ctx context.Context, r *indelible.Receipt) (*indelible.Evidence, error) {
	away, err := s.cfg.Ledger.FlushWhileStoreAnswers(ctx, storeWait)
	if away != nil || err != nil || r.Index == nil {
		return nil, err
	}
	log, err := s.view.whole().Later(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove the export: %w", err)
	}
	return log.Prove(ctx, *r.Index, allParts, s.cfg.Sealer)
}
