package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/store/probe"
)

type doctorOptions struct {
	iam, bucketPolicy, journal, confirmClock, json bool

	exports []string
}

func (a *app) doctorCommand() *cobra.Command {
	var opt doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the data directory and what its store can promise",
		Long: `Check the data directory, its keys and its journal, and try out in the store,
below probe/, what a ledger rests on. Says what the store can promise and what
it cannot. Exit code 1 if something is wrong, with a hint for each.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.BoolVar(&opt.iam, "iam", false, "print the smallest IAM policy for a writer, and nothing else")
	f.BoolVar(&opt.bucketPolicy, "bucket-policy", false, "print the bucket policy that should stand, and nothing else")
	f.BoolVar(&opt.journal, "journal", false, "take damage out of the journal, so that what follows it can be read")
	f.BoolVar(&opt.confirmClock, "confirm-clock", false, "accept this machine's clock as it is, and let commit times step back to it")
	f.StringArrayVar(&opt.exports, "exports", nil, "also look at s3://bucket/prefix, where datasets go; those of schedules are looked at anyway")
	f.BoolVar(&opt.json, "json", false, "print the findings as JSON")
	return cmd
}

// finding is one thing doctor looked at. `doctor --json` prints it.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// diagnosis is what doctor found.
type diagnosis struct {
	OK          bool          `json:"ok"`
	Findings    []finding     `json:"findings"`
	Quarantined []quarantined `json:"quarantined"` // with --journal
	Guarantees  []string      `json:"guarantees"`  // what the store is able to promise
	Limits      []string      `json:"limits"`      // what it is not
}

func (d *diagnosis) good(name, format string, args ...any) {
	d.Findings = append(d.Findings, finding{name, true, fmt.Sprintf(format, args...), ""})
}

func (d *diagnosis) bad(name, hint string, err error) {
	d.Findings = append(d.Findings, finding{name, false, err.Error(), hint})
	d.OK = false
}

func (a *app) doctor(ctx context.Context, opt doctorOptions) error {
	if opt.iam && opt.bucketPolicy {
		return usagef("ask for one after the other", "--iam and --bucket-policy are two documents")
	}
	if opt.iam || opt.bucketPolicy {
		return a.policies(opt)
	}
	dir, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	d := &diagnosis{OK: true, Findings: []finding{}, Quarantined: []quarantined{}, Guarantees: []string{}, Limits: []string{}}
	d.good("configuration", "%s, in %s", dir.Config.Origin, dir.Config.Store.Describe())
	a.checkKeys(ctx, d, dir)
	a.checkWriting(ctx, d, dir, opt)
	answers := a.checkStore(ctx, d, dir)
	if answers {
		a.checkLog(ctx, d, dir)
	}
	a.checkSources(ctx, d, dir)
	if err := a.checkExports(ctx, d, dir, opt.exports); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if opt.json {
		b, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", b)
	} else {
		printDiagnosis(a.stdout, d)
	}
	if !d.OK {
		return quietExit(exitFailure)
	}
	return nil
}

func printDiagnosis(w io.Writer, d *diagnosis) {
	for _, f := range d.Findings {
		mark := "ok   "
		if !f.OK {
			mark = "WRONG"
		}
		fmt.Fprintf(w, "%s  %s: %s\n", mark, f.Name, visible(f.Detail))
		if f.Hint != "" {
			fmt.Fprintf(w, "       hint: %s\n", f.Hint)
		}
	}
	for _, q := range d.Quarantined {
		fmt.Fprintf(w, "set aside  %d bytes of journal %s at offset %d (%s), now in %s\n", q.Length, q.Journal, q.Offset, q.What, q.File)
	}
	for _, list := range []struct {
		title string
		lines []string
	}{{"This store promises:", d.Guarantees}, {"It does not promise:", d.Limits}} {
		if len(list.lines) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", list.title)
		for _, line := range list.lines {
			fmt.Fprintf(w, "  - %s\n", line)
		}
	}
}

// checkStore probes the store. It reports whether the store answers.
func (a *app) checkStore(ctx context.Context, d *diagnosis, dir *datadir.Directory) bool {
	report := probe.Run(ctx, dir.Store)
	answers := false
	for _, f := range report.Findings {
		if f.OK {
			d.good("store: "+f.Name, "%s", f.Detail)
			answers = answers || f.Name == "write and read"
			continue
		}
		d.bad("store: "+f.Name, probeHint(f.Name, dir), fmt.Errorf("%s", f.Detail))
	}
	d.Guarantees, d.Limits = append(d.Guarantees, report.Guarantees...), append(d.Limits, report.Limits...)
	return answers
}

// probeHint says what to do about a trial that failed.
func probeHint(name string, dir *datadir.Directory) string {
	onS3 := dir.Config.Store.S3 != nil
	switch name {
	case "settings":
		return "put the bucket's settings right, or use another bucket for a new ledger"
	case "write and read":
		if onS3 {
			return "check endpoint, credentials and permissions; `indelible doctor --iam` prints the permissions that are needed"
		}
		return "check that the disk is there, has room and may be written to"
	case "second create refused", "stale replace refused", "wrong checksum refused":
		return "do not keep a ledger in this store: it does not do what S3 promises"
	case "lock", "retention readable", "locked object stays":
		return "grant s3:PutObjectRetention and s3:GetObjectRetention; without working locks choose --lock none knowingly"
	case "clock":
		return "set this machine's clock, or accept it with `indelible doctor --confirm-clock`"
	case "clean up":
		return "objects below probe/ stay behind and harm nothing; allow s3:DeleteObjectVersion below probe/"
	}
	return ""
}
