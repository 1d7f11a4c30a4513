package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"indelible"
)

// systemTenant has the events of schedules and runs.
const systemTenant = "_system"

// What happened changes a row and puts its event into the outbox in the same
// transaction; whoever works brings events from there into the ledger.

// event is an event on its way to the ledger.
type event struct {
	ID           string         `json:"id"`
	Timestamp    string         `json:"timestamp"`
	EventType    string         `json:"event_type"`
	UserID       string         `json:"user_id"`
	TenantID     string         `json:"tenant_id"`
	ResourceType string         `json:"resource_type"`
	ResourceID   string         `json:"resource_id"`
	Action       string         `json:"action"`
	Outcome      string         `json:"outcome"`
	Details      map[string]any `json:"details"`
}

// say puts an event into the outbox. Its id is made of what it is about, so it
// is recorded once however often it is sent.
func (q *Queue) say(ctx context.Context, tx *sql.Tx, eventType, resourceType, resource, outcome string, details map[string]any, parts ...string) error {
	_, action, _ := strings.Cut(eventType, ".")
	e := event{
		ID: eventID(append([]string{eventType, resource}, parts...)...), Timestamp: q.now().UTC().Format(time.RFC3339Nano), EventType: eventType, UserID: q.Actor,
		TenantID: systemTenant, ResourceType: resourceType, ResourceID: resource, Action: action, Outcome: outcome, Details: details,
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = indelible.ParseStoredEvent(text)
	}
	if err != nil { // what a run tells of itself may not be what an event can hold
		e.Details = map[string]any{"left_out": err.Error()}
		if text, err = json.Marshal(e); err != nil {
			return err
		}
	}
	// The turn of the gate is the order things happened in, whatever the clock says.
	_, err = tx.ExecContext(ctx, `INSERT INTO indelible_outbox (id, turn, event) SELECT $1, turn, $2 FROM indelible_gate WHERE true ON CONFLICT (id) DO NOTHING`, e.ID, string(text))
	return err
}

// ofRun is an event about a run, in its attempt.
func (q *Queue) ofRun(ctx context.Context, tx *sql.Tx, eventType, outcome string, r *Run, details map[string]any) error {
	about := map[string]any{"schedule": r.Schedule, "planned": r.Planned.Format(time.RFC3339Nano), "kind": r.Kind, "attempt": r.Attempt}
	if r.Worker != "" {
		about["worker"] = r.Worker
	}
	for name, value := range details {
		about[name] = value
	}
	return q.say(ctx, tx, eventType, "job", r.ID, outcome, about, fmt.Sprint(r.fence))
}

// eventID is a UUID of version 8.
func eventID(parts ...string) string {
	sum := sha256.Sum256([]byte("indelible/v1 job event\x00" + strings.Join(parts, "\x00")))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// together is how many events are recorded with one call.
const together = 256

// drainNew records what is in the outbox if something may be.
func (q *Queue) drainNew(ctx context.Context) error {
	if !q.wake.unsaid.Swap(false) {
		return nil
	}
	err := q.drain(ctx)
	if err != nil {
		q.wake.unsaid.Store(true)
	}
	return err
}

// drain records what is in the outbox, the oldest first, until it is empty.
func (q *Queue) drain(ctx context.Context) error {
	for {
		n, err := q.drainSome(ctx)
		if err != nil || n < together {
			return err
		}
	}
}

func (q *Queue) drainSome(ctx context.Context) (int, error) {
	rows, err := q.db.QueryContext(ctx, `SELECT id, event FROM indelible_outbox ORDER BY turn, id LIMIT $1`, together)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var ids []string
	var events []*indelible.Event
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&id, &text); err != nil {
			return 0, err
		}
		e, err := indelible.ParseStoredEvent([]byte(text))
		if err != nil {
			return 0, fmt.Errorf("event %s in the outbox: %w", id, err)
		}
		ids, events = append(ids, id), append(events, e)
	}
	if err := rows.Err(); err != nil || len(ids) == 0 {
		return 0, err
	}
	rows.Close()
	if err := q.Record(ctx, events); err != nil {
		return 0, fmt.Errorf("record what happened: %w", err)
	}
	return len(ids), inTx(ctx, q.db, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM indelible_outbox WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}
