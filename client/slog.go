package client

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"indelible"
)

// Handler makes audit events of log records: what belongs to an audit log is
// logged with a logger of its own. Attributes named like an event's fields
// (user_id, action, …) set them, all others go into details, groups as objects; the
// message is details.message.
type Handler struct {
	client *Client
	base   indelible.Event // what records do not say themselves
	groups []string
	attrs  []grouped
}

type grouped struct {
	groups []string
	attr   slog.Attr
}

// NewHandler makes a handler. base has the fields that records do not set:
// tenant, event type, resource type, outcome.
func NewHandler(c *Client, base indelible.Event) *Handler {
	return &Handler{client: c, base: base}
}

// Enabled implements slog.Handler: an audit log leaves nothing out.
func (h *Handler) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		n.attrs = append(n.attrs, grouped{h.groups, a})
	}
	return &n
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	n := *h
	if name != "" {
		n.groups = append(slices.Clip(h.groups), name)
	}
	return &n
}

// Handle implements slog.Handler. The error is that of Client.Record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	e := h.base
	details := make(map[string]any)
	if len(h.base.Details) > 0 {
		if err := json.Unmarshal(h.base.Details, &details); err != nil {
			return fmt.Errorf("details of the handler's event: %w", err)
		}
	}
	e.Timestamp = r.Time
	if r.Message != "" {
		details["message"] = r.Message
	}
	for _, g := range h.attrs {
		put(&e, details, g.groups, g.attr)
	}
	r.Attrs(func(a slog.Attr) bool {
		put(&e, details, h.groups, a)
		return true
	})
	text, err := json.Marshal(details)
	if err != nil {
		return err
	}
	if e.Details, _, err = indelible.CanonicalizeLossless(nil, text); err != nil {
		return err
	}
	return h.client.Record(ctx, e)
}

// put puts an attribute into a field of the event or into its details.
func put(e *indelible.Event, details map[string]any, groups []string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups = append(slices.Clip(groups), a.Key)
		}
		for _, inner := range v.Group() {
			put(e, details, groups, inner)
		}
		return
	}
	if len(groups) == 0 {
		if field := fieldOf(e, a.Key); field != nil {
			*field = v.String()
			return
		}
	}
	for _, g := range groups {
		inner, ok := details[g].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			details[g] = inner
		}
		details = inner
	}
	details[a.Key] = plain(v)
}

func fieldOf(e *indelible.Event, name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "event_type":
		return &e.EventType
	case "user_id":
		return &e.UserID
	case "tenant_id":
		return &e.TenantID
	case "resource_type":
		return &e.ResourceType
	case "resource_id":
		return &e.ResourceID
	case "action":
		return &e.Action
	case "outcome":
		return &e.Outcome
	case "source_ip":
		return &e.SourceIP
	case "user_agent":
		return &e.UserAgent
	}
	return nil
}

// plain is a value as JSON has it.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindBool:
		return v.Bool()
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return v.Uint64()
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindAny:
		if b, err := json.Marshal(v.Any()); err == nil {
			return json.RawMessage(b)
		}
	case slog.KindFloat64:
		if b, err := json.Marshal(v.Float64()); err == nil {
			return json.RawMessage(b)
		}
	}
	return v.String()
}
