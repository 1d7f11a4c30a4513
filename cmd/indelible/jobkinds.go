package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"indelible"
	"indelible/internal/jobs"
	"indelible/internal/recorder"
)

// jobRecord records what happens to schedules and runs.
type jobRecord func(ctx context.Context, events []*indelible.Event) error

// recordJobs records what happens to schedules and runs. An event whose id is
// taken was recorded before, and has changed since: a jobs database that was
// set back may tell a story twice. It keeps no other from being recorded.
func (b *book) recordJobs(ctx context.Context, events []*indelible.Event) error {
	err := b.Record(ctx, events)
	if !errors.Is(err, recorder.ErrConflict) {
		return err
	}
	for _, e := range events {
		if err := b.Record(ctx, []*indelible.Event{e}); err != nil && !errors.Is(err, recorder.ErrConflict) {
			return err
		}
	}
	return nil
}

// jobKinds are the kinds of work a schedule can run.
func (a *app) jobKinds() jobs.Kinds {
	return jobs.Kinds{
		{Name: "verify", Local: true, Check: checkVerify, Run: a.runVerify},
		{Name: "retention", Local: true, Check: checkNothing, Run: a.runRetention},
		{Name: "export", Check: a.checkExport, Run: a.runScheduledExport},
		{Name: "expire", Check: checkExpire, Run: a.runExpire},
		{Name: "check-index", Local: true, Check: checkNothing, Run: a.runCheckIndex},
		{Name: "reconcile", Local: true, Check: a.checkReconcile, Run: a.runReconcile},
		{Name: "key-age", Local: true, Check: checkKeyAge, Run: a.runKeyAge},
	}
}

// apart is the app of one run: what it opens is closed with it, and not when
// the program ends.
func (a *app) apart() (own *app, end func() error) {
	own = &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, env: a.env, dir: a.dir, serving: a.serving, handsOver: a.handsOver, clock: a.clock}
	return own, func() (err error) {
		for _, end := range own.atEnd {
			err = errors.Join(err, end())
		}
		return err
	}
}

// now is the time, as schedules see it.
func (a *app) now() time.Time {
	if a.clock != nil {
		return a.clock()
	}
	return time.Now()
}

// options reads the options of a schedule. A name that is unknown is an error.
func options(with json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(with))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one value")
	}
	return nil
}

// checkNothing is for kinds without options.
func checkNothing(with json.RawMessage) (tenant string, err error) {
	return "", options(with, &struct{}{})
}
