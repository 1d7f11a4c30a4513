package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
)

type checkOptions struct {
	key  string
	json bool
}

func (a *app) checkCommand() *cobra.Command {
	var opt checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE|-",
		Short: "Check evidence or receipts offline, with nothing but the log's public key",
		Long: `Check what ` + "`prove`" + ` wrote, or receipts, one a line, as ` + "`append`" + ` printed them.
Nothing in the file is believed; with --key nothing but the file is read. With
the key of a ledger at --dir, the keys that log had before count too, and it is
looked up there whether the log kept what a receipt promises.

Exit code 0: it holds. 20: it proves nothing, or a promise was broken. 21: it
could not be checked. 12: it is of another log than the key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args[0], opt) },
	}
	cmd.Flags().StringVar(&opt.key, "key", "", "verifier key, or a file that holds it (default: log.vkey in the data directory)")
	cmd.Flags().BoolVar(&opt.json, "json", false, "print what was proved as JSON, one object a line")
	return cmd
}

// maxEvidence bounds what check reads: completeness evidence of four million leaves.
const maxEvidence = 1 << 30

func (a *app) check(ctx context.Context, name string, opt checkOptions) error {
	vkey, err := a.keyForCheck(opt.key)
	if err != nil {
		return err
	}
	text, err := a.readBounded(name, maxEvidence)
	if err != nil {
		return err
	}
	c := &checking{app: a, vkey: vkey, opt: opt}
	switch format := formatOf(text); {
	case strings.HasPrefix(format, "indelible/evidence/"):
		return c.conclude(c.evidence(ctx, text))
	case strings.HasPrefix(format, "indelible/completeness/"):
		return c.conclude(c.completeness(ctx, text))
	case strings.HasPrefix(format, "indelible/"):
		return c.conclude(nil, fmt.Errorf("format %q: %w", format, indelible.ErrNewerFormat))
	case format != "":
		return c.conclude(nil, fmt.Errorf("%w: format %q is none of ours", indelible.ErrEvidence, format))
	}
	return c.receipts(ctx, text)
}

// keyForCheck takes the key from the flag or from the data directory. Nothing
// else of a data directory is needed.
func (a *app) keyForCheck(flag string) (string, error) {
	if flag != "" {
		return readKeyFlag(flag)
	}
	vkey, err := datadir.ReadVerifierKey(filepath.Join(a.dir, "log.vkey"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", failf(exitUnverified, "give the log's public key with --key; a key found beside the evidence would prove nothing", "no key to check with: there is no ledger at %s", a.dir)
	}
	if err != nil {
		return "", failf(exitUnverified, "give the log's public key with --key", "no key to check with: %w", err)
	}
	return vkey, nil
}

func (a *app) readBounded(name string, limit int64) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("name a file of evidence or receipts, or - for standard input", "%s", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, failf(exitUnverified, "", "read %s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, failf(exitUnverified, "", "%s: more than the %d bytes that are read", name, limit)
	}
	return text, nil
}

// formatOf reads the member format of a JSON object, and nothing else of it.
func formatOf(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return ""
		}
		if name == "format" {
			var format string
			if json.Unmarshal(value, &format) != nil || format == "" {
				return "(not a string)"
			}
			return format
		}
	}
	return ""
}

// strictJSON reads one JSON value with known members and nothing after it.
func strictJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", indelible.ErrEvidence, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something stands after it", indelible.ErrEvidence)
	}
	return nil
}

// checkCode is the exit code of what a check came to.
func checkCode(err error) (code int, result, hint string) {
	var exit *exitError
	switch {
	case err == nil:
		return exitOK, "ok", ""
	case errors.As(err, &exit) && exit.code == exitUnverified:
		return exitUnverified, "not verified", exit.hint
	case errors.Is(err, indelible.ErrNewerFormat), errors.Is(err, indelible.ErrCriticalField):
		return exitUnverified, "not verified", ""
	case errors.Is(err, indelible.ErrEvidenceKey):
		return exitWrongKey, "wrong key", "use the log.vkey of the log it names"
	}
	return exitTampered, "does not hold", "nothing in it can be relied on; ask for it again"
}
