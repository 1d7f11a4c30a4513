package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store"
)

type verifyOptions struct {
	key, trusted, store, report, between string
	policy                               string
	maxAge                               string
	json                                 bool
}

func (a *app) verifyCommand() *cobra.Command {
	var opt verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a whole log: every object, every hash, every signature",
		Long: `Check a whole log. Nothing in the store is believed: the key comes from
--key, or from log.vkey in the data directory.

Exit code 0: everything holds. 20: tampering is proven. 21: something could
not be checked. 12: the log is not signed by the key given.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.key, "key", "", "verifier key, or a file that holds it (default: log.vkey in the data directory)")
	f.StringVar(&opt.trusted, "trusted", "", "checkpoint accepted earlier, which this log must continue")
	f.StringVar(&opt.store, "store", "", "verify this store, DIR or s3://bucket/prefix, without a data directory")
	f.StringVar(&opt.maxAge, "max-age", "", "exit 21 if the newest heads leaf is older, e.g. 36h")
	f.StringVar(&opt.policy, "policy", "", "C2SP tlog-policy file: witnesses whose cosignatures the checkpoint must carry")
	f.StringVar(&opt.between, "range", "", "only leaves FIRST:END, END not included")
	f.StringVar(&opt.report, "report", "", "also write the evidence to FILE (text) and FILE.json")
	f.BoolVar(&opt.json, "json", false, "print the report as JSON")
	return cmd
}

func (a *app) verify(ctx context.Context, opt verifyOptions) error {
	st, vopt, err := a.verifySetup(ctx, opt)
	if err != nil {
		return err
	}
	memory := openMemory(a.env)
	vopt.Recall = memory.recall
	if opt.trusted != "" {
		if vopt.Trusted, err = readCheckpoint(opt.trusted, vopt.VerifierKey); err != nil {
			return err
		}
	}
	progress := newProgress(a.stderr, "leaves")
	vopt.Progress = progress.update
	report, err := ledger.Verify(ctx, st, vopt)
	progress.done()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		report.Problems = append(report.Problems, ledger.Problem{Object: "store", What: err.Error()})
		if report.Result == "" || report.Result == ledger.ResultOK {
			report.Result = ledger.ResultUnverified
		}
	}
	if report.Result == ledger.ResultOK && vopt.Range == nil {
		memory.remember(vopt.VerifierKey, report.Checkpoint)
	}
	if opt.report != "" {
		if err := writeReport(opt.report, report); err != nil {
			return err
		}
	}
	if opt.json {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", b)
	} else {
		printReport(a.stdout, report)
	}
	return verifyExit(report)
}

func verifyExit(r *ledger.Report) error {
	switch r.Result {
	case ledger.ResultOK:
		return nil
	case ledger.ResultTampered:
		return quietExit(exitTampered)
	case ledger.ResultWrongKey:
		return failf(exitWrongKey, "use the log.vkey that was handed out when the log began", "the checkpoint is not signed by this key")
	}
	return quietExit(exitUnverified)
}

// verifySetup opens the store and finds the key: from --key, or from the data
// directory, never from the store.
func (a *app) verifySetup(ctx context.Context, opt verifyOptions) (store.Store, ledger.VerifyOptions, error) {
	vopt := ledger.VerifyOptions{Opener: recorder.Plain}
	if opt.maxAge != "" {
		d, err := datadir.ParseDuration(opt.maxAge)
		if err != nil {
			return nil, vopt, usagef("write it as 36h or 2d", "--max-age: %s", err)
		}
		vopt.MaxAge = time.Duration(d)
	}
	if opt.between != "" {
		var r ledger.Range
		if n, err := fmt.Sscanf(opt.between, "%d:%d", &r.First, &r.End); err != nil || n != 2 || r.First >= r.End {
			return nil, vopt, usagef("write it as FIRST:END, such as 0:1000", "--range %q", opt.between)
		}
		vopt.Range = &r
	}
	if opt.policy != "" {
		policy, err := os.ReadFile(opt.policy)
		if err == nil {
			err = ledger.CheckPolicy(policy)
		}
		if err != nil {
			return nil, vopt, usagef("name a file in the format of C2SP tlog-policy", "--policy: %s", err)
		}
		vopt.Policy = policy
	}
	if opt.key != "" {
		vkey, err := readKeyFlag(opt.key)
		if err != nil {
			return nil, vopt, err
		}
		vopt.VerifierKey = vkey
	}
	if opt.store != "" {
		st, err := datadir.OpenLocation(ctx, opt.store, a.env)
		if err == nil && vopt.VerifierKey == "" {
			err = failf(exitUnverified, "give the log's public key with --key; a key found beside the log would prove nothing", "no key to verify with")
		}
		return st, vopt, err
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if errors.Is(err, datadir.ErrStoreGone) {
		return nil, vopt, &exitError{exitUnverified, err, "mount or restore it; nothing could be verified"}
	}
	if err != nil {
		return nil, vopt, err
	}
	vopt.Locked = d.Config.Store.Lock != "none"
	if vopt.VerifierKey == "" {
		vopt.OwnKey = true
		if vopt.VerifierKey, err = d.VerifierKey(); err != nil {
			return nil, vopt, failf(exitUnverified, "restore log.vkey, or give the key with --key", "no key to verify with: %w", err)
		}
	}
	// Checking references needs a secret; auditors do without.
	if key, err := datadir.LoadIDKey(a.dir); err == nil {
		vopt.IDKey = key
	}
	sealer, end, err := a.sealerFor(ctx, d, vopt.IDKey, true)
	if err != nil {
		return nil, vopt, err
	}
	a.atEnd = append(a.atEnd, end)
	vopt.Opener = sealer
	// Of a log that cannot be read nothing is opened; what is wrong with it the
	// verification finds.
	if r, err := ledger.NewReader(ctx, d.Store, vopt.VerifierKey); err == nil {
		applyFences(ctx, r, sealer)
	}
	return d.Store, vopt, nil
}

// readKeyFlag takes a verifier key as such, or the name of a file that holds one.
func readKeyFlag(value string) (string, error) {
	if vkey, err := datadir.ReadVerifierKey(value); err == nil {
		return vkey, nil
	} else if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(value, "+") {
		return "", usagef("give a file such as log.vkey, or the key itself", "--key: %s", err)
	}
	return value, nil
}

func readCheckpoint(name, vkey string) (*ledger.Checkpoint, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("name a file with a checkpoint that was accepted earlier", "--trusted: %s", err)
	}
	c, err := ledger.OpenCheckpoint(b, vkey)
	if err != nil {
		return nil, failf(exitWrongKey, "it must be a checkpoint of this log", "%s: %w", name, err)
	}
	return c, nil
}

// memory is where this user's last accepted checkpoint of each log is kept,
// outside of any ledger's folder: it is what shows a rollback.
type memory struct{ dir string }

func openMemory(env datadir.Env) memory {
	if dir := env("XDG_STATE_HOME"); dir != "" {
		return memory{filepath.Join(dir, "indelible", "checkpoints")}
	}
	if home := env("HOME"); home != "" {
		return memory{filepath.Join(home, ".local", "state", "indelible", "checkpoints")}
	}
	return memory{}
}

func (m memory) name(vkey string) string {
	return filepath.Join(m.dir, memoryName(vkey))
}

// recall returns the checkpoint of a log accepted last, or nil.
func (m memory) recall(vkey string) *ledger.Checkpoint {
	if m.dir == "" {
		return nil
	}
	b, err := os.ReadFile(m.name(vkey))
	if err != nil {
		return nil
	}
	c, err := ledger.OpenCheckpoint(b, vkey)
	if err != nil {
		return nil
	}
	return c
}

// remember keeps an accepted checkpoint. Where it cannot be kept the next
// verification says what it could not check.
func (m memory) remember(vkey, signed string) {
	if m.dir == "" {
		return
	}
	if err := os.MkdirAll(m.dir, 0o700); err == nil {
		writeFileAtomic(m.name(vkey), []byte(signed))
	}
}
