package recorder

import (
	"context"
	"time"

	"indelible/internal/ledger"
	"indelible/internal/seal"
)

// FencedTo implements ledger.Fencer.
func (s *Sealed) FencedTo() uint64 {
	if s.Keys == nil {
		return 0
	}
	return s.Keys.FencedTo()
}

// ApplyFences implements ledger.Fencer.
func (s *Sealed) ApplyFences(ctx context.Context, size uint64, fences []ledger.Fence) error {
	if s.Keys == nil {
		return nil
	}
	gone := make([]seal.Fenced, len(fences))
	for i, f := range fences {
		gone[i] = seal.Fenced{Index: f.Index, At: time.UnixMilli(f.Time), Keys: f.Keys}
		if f.Erased != nil {
			gone[i].Erased = &f.Erased.Erase
		}
		if f.Readmitted != nil {
			gone[i].Readmitted = &f.Readmitted.Person
		}
	}
	return s.Keys.ApplyFences(ctx, size, gone)
}
