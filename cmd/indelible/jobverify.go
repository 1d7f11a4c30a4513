package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"indelible/internal/jobs"
	"indelible/internal/ledger"
)

// How much of the log a scheduled verification reads.
const (
	verifyFull   = "full"
	verifySince  = "since-last" // what came since the last one, and that it continues what was there
	verifySample = "sample"     // a part, so that all of it is read in so many days
)

// verifyWith are the options of a scheduled verification.
type verifyWith struct {
	Mode string `json:"mode"`
	Days int    `json:"days"` // of a sample; 7
}

func checkVerify(with json.RawMessage) (string, error) {
	_, err := readVerify(with)
	return "", err
}

func readVerify(with json.RawMessage) (o verifyWith, err error) {
	if err := options(with, &o); err != nil {
		return o, err
	}
	switch o.Mode {
	case "":
		o.Mode = verifyFull
	case verifyFull, verifySince, verifySample:
	default:
		return o, fmt.Errorf("mode: %q is not full, since-last or sample", o.Mode)
	}
	switch {
	case o.Mode != verifySample && o.Days != 0:
		return o, errors.New("days goes with mode: sample")
	case o.Mode == verifySample && o.Days == 0:
		o.Days = 7
	case o.Mode == verifySample && (o.Days < 1 || o.Days > 3650):
		return o, fmt.Errorf("days: %d is not 1 to 3650", o.Days)
	}
	return o, nil
}

// verified is what a run of a verification tells.
type verified struct {
	Mode string `json:"mode"`
	// Next is where the next sample begins.
	Next   uint64         `json:"next"`
	Report *ledger.Report `json:"report"`
}

// maxProblems is how many problems a run keeps; `verify` names them all.
const maxProblems = 20

func (a *app) runVerify(ctx context.Context, t *jobs.Turn) (_ any, err error) {
	o, err := readVerify(t.With)
	if err != nil {
		return nil, jobs.Final(err)
	}
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	st, vopt, err := own.verifySetup(ctx, verifyOptions{})
	if err != nil {
		return nil, err
	}
	vopt.Workers = 1 // nobody waits for it
	vopt.Progress = func(done, total uint64) { t.Progress(int64(done), int64(total)) }
	out := &verified{Mode: o.Mode}
	if o.Mode != verifyFull {
		r, err := ledger.NewReader(ctx, st, vopt.VerifierKey)
		if err != nil {
			return nil, err
		}
		if err := own.continueVerify(ctx, t, &o, r.Checkpoint().Size, &vopt, out); err != nil {
			return nil, err
		}
	}
	out.Report, err = ledger.Verify(ctx, st, vopt)
	if err != nil {
		return nil, err
	}
	if a.verified != nil {
		a.verified(out.Report)
	}
	problems := len(out.Report.Problems)
	out.Report.Problems = out.Report.Problems[:min(problems, maxProblems)]
	switch out.Report.Result {
	case ledger.ResultOK:
		return out, nil
	case ledger.ResultUnverified:
		return out, fmt.Errorf("the log could not be verified: %s", firstProblem(out.Report))
	}
	return out, jobs.Final(fmt.Errorf("%s: %d problems, the first: %s; run `indelible verify` for the whole picture", out.Report.Result, problems, firstProblem(out.Report)))
}

func firstProblem(r *ledger.Report) string {
	switch {
	case len(r.Problems) > 0:
		return r.Problems[0].Object + ": " + r.Problems[0].What
	case len(r.Unchecked) > 0:
		return r.Unchecked[0]
	}
	return "no problem is named"
}

// continueVerify chooses the range, which follows from the run before. The
// checkpoint of then is one the log must continue.
func (a *app) continueVerify(ctx context.Context, t *jobs.Turn, o *verifyWith, size uint64, vopt *ledger.VerifyOptions, out *verified) error {
	last, err := t.Before(ctx)
	if err != nil {
		return err
	}
	before := verified{}
	if last != nil {
		// A run with other options may have left something else.
		if json.Unmarshal(last.Result, &before) != nil || before.Report == nil {
			before = verified{}
		}
	}
	if before.Report != nil && before.Report.Checkpoint != "" {
		if vopt.Trusted, err = ledger.OpenCheckpoint([]byte(before.Report.Checkpoint), vopt.VerifierKey); err != nil {
			vopt.Trusted = nil // the key was changed since
		}
	}
	if size == 0 {
		return nil
	}
	if o.Mode == verifySince {
		if vopt.Trusted == nil {
			return nil // the first time, everything
		}
		first := min(vopt.Trusted.Size, size-1)
		vopt.Range = &ledger.Range{First: first, End: size}
		return nil
	}
	elapsed := 24 * time.Hour
	if last != nil {
		elapsed = max(t.Planned.Sub(last.Planned), time.Minute)
	}
	vopt.Range = samplePart(before.Next, size, elapsed, o.Days)
	out.Next = vopt.Range.End % size
	return nil
}

// samplePart is the part of the log a sample reads: as much as has to be read
// in the time since the last one to get through the whole log in so many days.
func samplePart(next, size uint64, elapsed time.Duration, days int) *ledger.Range {
	if next >= size {
		next = 0
	}
	part := size
	// The last part is cut at the end of the log: one run more is reckoned with.
	if all := time.Duration(days)*24*time.Hour - elapsed; all > elapsed {
		part = uint64(float64(elapsed)/float64(all)*float64(size)) + 1
	}
	return &ledger.Range{First: next, End: min(next+part, size)}
}
