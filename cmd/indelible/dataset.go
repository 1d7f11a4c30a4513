package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/dataset"
	"indelible/internal/ledger"
)

func (a *app) datasetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataset",
		Short: "Verify and read datasets that export made",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.datasetVerifyCommand(), a.datasetLatestCommand(), a.datasetDiffCommand(), a.datasetPurgeCommand())
	return cmd
}

// datasetVerifyOptions are the flags of dataset verify.
type datasetVerifyOptions struct {
	placeOptions
	readOptions
	key     string
	offline bool
	json    bool
	quiet   bool // the check is part of something else
}

func (a *app) datasetVerifyCommand() *cobra.Command {
	var opt datasetVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify FILE|DIR|s3://BUCKET/PREFIX",
		Short: "Check a dataset: every file, count and digest, and the ledger's proof",
		Long: `Check a dataset. Every file is read and compared with the manifest, and the
manifest with what the ledger recorded: by the evidence beside it, and by
asking the ledger at --dir. With --offline the evidence and the log's public
key are enough.

Exit code 0: everything holds. 20: something is not as it was written. 21: it
could not be proved that this was recorded.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt.out = args[0]
			return a.datasetVerify(cmd.Context(), opt)
		},
	}
	f := cmd.Flags()
	opt.readOptions.add(cmd)
	f.BoolVar(&opt.offline, "offline", false, "do not ask the ledger: the evidence beside the dataset must do")
	f.StringVar(&opt.key, "key", "", "verifier key, or a file that holds it (default: log.vkey in the data directory)")
	f.BoolVar(&opt.json, "json", false, "print the report as JSON")
	return cmd
}

func (a *app) datasetVerify(ctx context.Context, opt datasetVerifyOptions) error {
	r, err := a.verifyDataset(ctx, &opt)
	if err != nil {
		return err
	}
	if opt.json {
		line, err := jsonLine(r)
		if err == nil {
			err = writeJSON(a.stdout, line)
		}
		if err != nil {
			return err
		}
	} else {
		printDatasetReport(a.stdout, r)
	}
	return datasetExit(r)
}

// datasetExit is the exit code of what a verification found.
func datasetExit(r *dataset.Report) error {
	switch r.Result {
	case dataset.ResultOK:
		return nil
	case dataset.ResultTampered:
		return quietExit(exitTampered)
	}
	return quietExit(exitUnverified)
}

// verifyDataset reads a whole dataset.
func (a *app) verifyDataset(ctx context.Context, opt *datasetVerifyOptions) (*dataset.Report, error) {
	vkey, err := a.keyForCheck(opt.key)
	if err != nil {
		return nil, err
	}
	place, file, err := a.openPlace(ctx, &opt.placeOptions, false)
	if err != nil {
		return nil, err
	}
	// With a key given the ledger at hand need not be its own.
	checkKey := ""
	if opt.offline {
		checkKey = vkey
	}
	c := &dataset.Check{Place: place, File: file, Evidence: a.evidenceChecker(vkey, checkKey)}
	if err := opt.unpacking(c); err != nil {
		return nil, err
	}
	if !opt.offline {
		log, err := a.openForReading(ctx)
		if err != nil && opt.key == "" {
			return nil, &exitError{exitUnverified, fmt.Errorf("the ledger cannot be asked: %w", err), "with --offline the evidence beside the dataset and the log's public key are enough"}
		}
		if err == nil && log.vkey == vkey {
			c.Recorded = a.askLedger(log)
		} else {
			fmt.Fprintf(a.stderr, "the ledger of this key is not at %s: the evidence beside the dataset must do\n", a.dir)
		}
	}
	if !opt.quiet {
		progress := newProgress(a.stderr, "bytes")
		c.Progress = progress.update
		defer progress.done()
	}
	r, err := dataset.Verify(ctx, c)
	switch {
	case errors.Is(err, dataset.ErrNotExist):
		return nil, usagef("name a file with its manifest beside it, or the folder that export wrote", "%s: %s", opt.out, err)
	case errors.Is(err, indelible.ErrEvidenceKey):
		return nil, &exitError{exitWrongKey, err, "use the log.vkey of the log that recorded it"}
	case err != nil && !errors.Is(err, context.Canceled):
		var exit *exitError
		if errors.As(err, &exit) {
			return nil, err
		}
		return nil, &exitError{exitUnverified, fmt.Errorf("the dataset cannot be read: %w", err), ""}
	}
	return r, err
}

// evidenceChecker checks a sidecar as `check` would, and that it stands there
// as it was written.
func (a *app) evidenceChecker(vkey, onlyKey string) func(context.Context, []byte) (*indelible.Event, error) {
	c := &checking{app: a, vkey: vkey, opt: checkOptions{key: onlyKey}}
	return func(ctx context.Context, text []byte) (*indelible.Event, error) {
		if formatOf(text) == indelible.EvidenceFormat {
			var e indelible.Evidence
			if err := strictJSON(text, &e); err != nil {
				return nil, fmt.Errorf("%w: %v", indelible.ErrEvidence, err)
			}
			if again, err := evidenceBytes(&e); err != nil || !bytes.Equal(again, text) {
				return nil, fmt.Errorf("%w: it is not as it was written", indelible.ErrEvidence)
			}
		}
		out, err := c.evidence(ctx, text)
		if err != nil {
			if code, _, _ := checkCode(err); code == exitTampered && !errors.Is(err, indelible.ErrEvidence) {
				err = fmt.Errorf("%w: %w", indelible.ErrEvidence, err)
			}
			return nil, err
		}
		if out.Event == nil {
			return nil, fmt.Errorf("%w: it shows no event", indelible.ErrEvidence)
		}
		return indelible.ParseStoredEvent(out.Event)
	}
}

// askLedger finds an event in the log at hand, proved to be there.
func (a *app) askLedger(log *reading) func(ctx context.Context, tenantID, eventID string) (*indelible.Event, error) {
	return func(ctx context.Context, tenantID, eventID string) (*indelible.Event, error) {
		matches, err := log.Find(ctx, eventID, tenantID, log.idKey, log.sealer)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := log.Entry(ctx, matches[0].Index)
		if err != nil {
			return nil, err
		}
		_, event, err := newEntry(e, log.Checkpoint().Size, log.sealer)
		return event, err
	}
}

// printDatasetReport writes a report for a person.
func printDatasetReport(w io.Writer, r *dataset.Report) {
	fmt.Fprintf(w, "result      %s\n", r.Result)
	fmt.Fprintf(w, "manifest    %s, version %s\n", visible(r.Manifest), r.Version)
	if r.Links > 0 {
		fmt.Fprintf(w, "chain       %s\n", count(r.Links, "link"))
	}
	fmt.Fprintf(w, "rows        %d in %s, %.1f MB\n", r.Rows, count(r.Files, "file"), float64(r.Bytes)/1e6)
	fmt.Fprintf(w, "content     %s\n", r.Digest)
	recorded := "not proved"
	if r.Recorded != "" {
		recorded = "proved by " + r.Recorded
	}
	fmt.Fprintf(w, "recorded    %s\n", recorded)
	for i, p := range r.Problems {
		if i == maxProblemsShown {
			fmt.Fprintf(w, "problem     … and %d more; --json lists them all\n", len(r.Problems)-i)
			break
		}
		fmt.Fprintf(w, "problem     %s\n", visible(p.File+": "+p.What))
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(w, "unchecked   %s\n", visible(u))
	}
}
