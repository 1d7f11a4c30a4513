package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"indelible"
)

const planFormat = "indelible/export-plan/v1"

// plan is written before the first row. Whoever finds one finds an export that
// did not end: it is made again under the same run id and timestamp.
type plan struct {
	Format          string          `json:"format"`
	RunID           string          `json:"run_id"`
	Attempt         int             `json:"attempt"`
	ExportTimestamp Timestamp       `json:"export_timestamp"`
	Spec            indelible.Hash  `json:"spec"`
	Sequence        uint64          `json:"sequence,omitempty"`
	Parts           int             `json:"parts"`
	Source          json.RawMessage `json:"source,omitempty"` // runs.Info.Plan
	Actor           string          `json:"actor"`
	ActorKind       string          `json:"actor_kind"`
	Overwrites      bool            `json:"overwrites,omitempty"`
}

// readPlan returns the plan of an export that did not end, or nil.
func readPlan(ctx context.Context, p Place, name string) (*plan, error) {
	b, err := get(ctx, p, name)
	if errors.Is(err, ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var old plan
	if err := json.Unmarshal(b, &old); err != nil || old.Format != planFormat {
		return nil, fmt.Errorf("%s: not a plan file of this version", name)
	}
	return &old, nil
}

func (p *plan) write(ctx context.Context, at Place, name string) error {
	p.Format = planFormat
	b, err := marshal(p, "  ")
	if err != nil {
		return err
	}
	if err := put(ctx, at, name, b, true); err != nil {
		return fmt.Errorf("plan file: %w", err)
	}
	return nil
}
