package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"indelible"
	"indelible/internal/ledger"
)

// checking is one check under way.
type checking struct {
	app  *app
	vkey string
	opt  checkOptions

	asked   bool     // whether there is a log to look into
	log     *reading // or nil
	earlier []string // verifier keys the log had before
}

// checked is what was proved, as check prints it in JSON: docs/cli-json.md.
type checked struct {
	Result     string          `json:"result"`
	Problem    string          `json:"problem,omitempty"`
	Proves     string          `json:"proves,omitempty"` // event, leaf, completeness or receipt
	Origin     string          `json:"origin,omitempty"`
	TreeSize   uint64          `json:"tree_size,omitempty"`
	Index      *uint64         `json:"index,omitempty"`
	Kind       string          `json:"kind,omitempty"`
	Time       string          `json:"time,omitempty"`
	Tenant     string          `json:"tenant_id,omitempty"`
	Leaves     uint64          `json:"leaves,omitempty"`
	Withheld   int             `json:"withheld_parts,omitempty"`
	Event      json.RawMessage `json:"event,omitempty"`
	Members    json.RawMessage `json:"members,omitempty"`
	Content    json.RawMessage `json:"content,omitempty"`
	Checkpoint string          `json:"checkpoint,omitempty"`
	Receipt    *checkedReceipt `json:"receipt,omitempty"`
}

func (c *checking) evidence(ctx context.Context, text []byte) (*checked, error) {
	var e indelible.Evidence
	if err := c.newerOr(text, indelible.EvidenceFormat, &e); err != nil {
		return nil, err
	}
	p, err := c.proved(ctx, e.Check)
	if err != nil {
		return nil, err
	}
	out := &checked{
		Result: "ok", Proves: "leaf", Origin: p.Origin, TreeSize: p.Size, Index: &p.Index, Kind: p.Leaf.Kind.String(),
		Time: commitTime(p.Leaf.Time), Withheld: p.Withheld, Checkpoint: p.Checkpoint,
	}
	switch {
	case p.Event != nil:
		out.Proves, out.Event = "event", p.Event.AppendJSON(nil)
	case p.Leaf.Kind.Recorded():
		members, err := indelible.SkeletonOfParts(p.Parts...)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", indelible.ErrEvidence, err)
		}
		out.Proves = "event"
		if out.Members, err = json.Marshal(members); err != nil {
			return nil, err
		}
	case len(p.Parts) > 0 && json.Valid(p.Parts[0]):
		out.Content = p.Parts[0]
	}
	return out, nil
}

func (c *checking) completeness(ctx context.Context, text []byte) (*checked, error) {
	var e indelible.Completeness
	if err := c.newerOr(text, indelible.CompletenessFormat, &e); err != nil {
		return nil, err
	}
	p, err := c.proved(ctx, e.Check)
	if err != nil {
		return nil, err
	}
	return &checked{
		Result: "ok", Proves: "completeness", Origin: p.Origin, TreeSize: p.Size, Index: &p.Index, Kind: p.Leaf.Kind.String(),
		Time: commitTime(p.Leaf.Time), Tenant: e.TenantID, Leaves: uint64(len(e.Leaves)), Checkpoint: p.Checkpoint,
	}, nil
}

// openLog opens the log at --dir and asks it for the keys it had; with --key
// nothing but the file is read.
func (c *checking) openLog(ctx context.Context) {
	if c.asked || c.opt.key != "" {
		return
	}
	c.asked = true
	log, err := c.app.openForReading(ctx)
	var vkeys []string
	if err == nil {
		vkeys, err = log.LogKeys(ctx)
	}
	if err != nil {
		fmt.Fprintf(c.app.stderr, "the log at %s is not asked about its earlier keys, nor whether it kept its promises: %s\n", c.app.dir, err)
		return
	}
	c.log = log
	c.earlier = slices.DeleteFunc(vkeys, func(vkey string) bool { return vkey == c.vkey })
}

// proved checks evidence with the key and, where the log is at hand, with the
// keys it had before. What one of these signed it must have kept: whoever got
// hold of such a key can sign other trees.
func (c *checking) proved(ctx context.Context, check func(vkey string) (*indelible.Proved, error)) (*indelible.Proved, error) {
	p, err := check(c.vkey)
	if !errors.Is(err, indelible.ErrEvidenceKey) {
		return p, err
	}
	c.openLog(ctx)
	for _, vkey := range c.earlier {
		p, kerr := check(vkey)
		if errors.Is(kerr, indelible.ErrEvidenceKey) {
			continue
		}
		if kerr != nil {
			return nil, kerr
		}
		earlier, kerr := ledger.OpenCheckpoint([]byte(p.Checkpoint), vkey)
		if kerr != nil {
			return nil, fmt.Errorf("%w: %w", indelible.ErrEvidence, kerr)
		}
		return p, c.kept(ctx, earlier)
	}
	return nil, err
}

// kept checks that the log at hand continues a tree an earlier key signed.
func (c *checking) kept(ctx context.Context, earlier *ledger.Checkpoint) error {
	err := c.log.Continues(ctx, earlier)
	var tamper *ledger.TamperError
	if err == nil || errors.As(err, &tamper) {
		return err
	}
	return failf(exitUnverified, "", "signed by an earlier key of the log, which could not be compared with it: %w", err)
}

// newerOr reads evidence of the format we know strictly. A newer one may have
// members we do not know, so its version is looked at first.
func (c *checking) newerOr(text []byte, format string, v any) error {
	if got := formatOf(text); got != format {
		return fmt.Errorf("format %s, this program knows %s: %w", field(got), format, indelible.ErrNewerFormat)
	}
	return strictJSON(text, v)
}

// conclude prints what was proved and returns the exit.
func (c *checking) conclude(out *checked, err error) error {
	code, result, hint := checkCode(err)
	if err != nil {
		out = &checked{Result: result, Problem: err.Error()}
	}
	if c.opt.json {
		line, jsonErr := jsonLine(out)
		if jsonErr == nil {
			jsonErr = writeJSON(c.app.stdout, line)
		}
		if jsonErr != nil {
			return jsonErr
		}
	}
	if err != nil {
		return &exitError{code, err, hint}
	}
	if c.opt.json {
		return nil
	}
	return c.say(out)
}

// say tells a person what was proved.
func (c *checking) say(out *checked) error {
	w := c.app.stdout
	switch out.Proves {
	case "completeness":
		fmt.Fprintf(w, "proved      tenant %s has exactly %d leaves, this many events and conflicts: %d\n", field(out.Tenant), out.Leaves, out.Leaves-1)
		fmt.Fprintf(w, "as of       leaf %d, committed %s\n", *out.Index, out.Time)
	case "event":
		fmt.Fprintf(w, "proved      this event is in the log (%s leaf)\n", out.Kind)
	default:
		fmt.Fprintf(w, "proved      this %s leaf is in the log\n", out.Kind)
	}
	fmt.Fprintf(w, "log         %s\n", field(out.Origin))
	if out.Proves != "completeness" {
		fmt.Fprintf(w, "index       %d\n", *out.Index)
		fmt.Fprintf(w, "committed   %s\n", out.Time)
	}
	fmt.Fprintf(w, "tree        %d leaves, signed by the log's key\n", out.TreeSize)
	if out.Withheld > 0 {
		fmt.Fprintf(w, "withheld    %d of its parts: they are in the log and not shown here\n", out.Withheld)
	}
	if out.Proves == "completeness" {
		return nil
	}
	fmt.Fprintln(w)
	return writeIndented(c.app, out.Event, out.Members, out.Content)
}
