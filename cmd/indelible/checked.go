package main

import (
	"encoding/json"
	"fmt"

	"indelible"
)

// checking is one check under way.
type checking struct {
	app  *app
	vkey string
	opt  checkOptions
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

func (c *checking) evidence(text []byte) (*checked, error) {
	var e indelible.Evidence
	if err := c.newerOr(text, indelible.EvidenceFormat, &e); err != nil {
		return nil, err
	}
	p, err := e.Check(c.vkey)
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

func (c *checking) completeness(text []byte) (*checked, error) {
	var e indelible.Completeness
	if err := c.newerOr(text, indelible.CompletenessFormat, &e); err != nil {
		return nil, err
	}
	p, err := e.Check(c.vkey)
	if err != nil {
		return nil, err
	}
	return &checked{
		Result: "ok", Proves: "completeness", Origin: p.Origin, TreeSize: p.Size, Index: &p.Index, Kind: p.Leaf.Kind.String(),
		Time: commitTime(p.Leaf.Time), Tenant: e.TenantID, Leaves: uint64(len(e.Leaves)), Checkpoint: p.Checkpoint,
	}, nil
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
