package dataset

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"indelible/internal/runs"
)

// columnMeaning says what a column of workflow_runs is to who learns from it.
var columnMeaning = map[string]SchemaField{
	"id":               {Type: "string", Role: "id"},
	"tenant_id":        {Type: "string", Role: "id"},
	"workflow_name":    {Type: "string", Role: "start feature"},
	"workflow_version": {Type: "string", Role: "start feature"},
	"status":           {Type: "string", Role: "label"},
	"started_at":       {Type: "timestamp", Unit: "RFC 3339, UTC, microseconds", Role: "start feature"},
	"completed_at":     {Type: "timestamp", Unit: "RFC 3339, UTC, microseconds", Role: "after the outcome"},
	"duration_ms":      {Type: "integer", Unit: "milliseconds", Role: "label"},
	"steps_completed":  {Type: "integer", Unit: "steps", Role: "after the outcome"},
	"steps_total":      {Type: "integer", Unit: "steps", Role: "start feature"},
	"error_message":    {Type: "string", Role: "after the outcome"},
	"metadata":         {Type: "json", Role: "mixed: some members are known at the start, some after the outcome"},
	"created_at":       {Type: "timestamp", Unit: "RFC 3339, UTC, microseconds", Role: "start feature"},
}

// schemaOf describes the rows' members.
func schemaOf(info *runs.Info) []SchemaField {
	var fields []SchemaField
	for _, c := range info.Columns {
		f := columnMeaning[c.Name]
		if c.Extra {
			f = SchemaField{Type: "json", Role: "not told"}
		}
		f.Name, f.Source, f.Nullable = c.Name, c.Type, c.Nullable
		fields = append(fields, f)
	}
	if info.Revision {
		fields = append(fields, SchemaField{Name: "_revision", Type: "string", Source: "revision", Unit: "decimal number", Role: roleExport})
	}
	return append(fields,
		SchemaField{Name: "_export_timestamp", Type: "timestamp", Source: "export", Unit: "RFC 3339, UTC, microseconds", Role: roleExport},
		SchemaField{Name: "_export_version", Type: "integer", Source: "export", Role: roleExport},
	)
}

// writeDocuments writes schema.json, stats.json and README.md beside the data,
// and the rows a chain has to know again.
func (x *export) writeDocuments(ctx context.Context, m *Manifest) error {
	d := &m.Dataset
	schema, err := marshal(map[string]any{"row_schema": RowSchema, "fields": d.Schema}, "  ")
	if err != nil {
		return err
	}
	counts, err := marshal(x.stats.document(), "  ")
	if err != nil {
		return err
	}
	for _, doc := range []struct {
		name string
		data []byte
	}{{"schema.json", schema}, {"stats.json", counts}, {"README.md", readme(m)}} {
		written, err := x.document(ctx, doc.name, doc.data)
		if err != nil {
			return err
		}
		d.Documents = append(d.Documents, written)
	}
	if x.repeats != nil {
		recent, err := x.document(ctx, "recent", x.repeats.encode())
		if err != nil {
			return err
		}
		d.Chain.Recent, d.Chain.Repeats = &recent, x.repeats.dropped.Load()
	}
	return nil
}

// readme tells a person what lies here.
func readme(m *Manifest) []byte {
	d := &m.Dataset
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Workflow runs\n\n%d rows in %d files, exported %s from %s.\n\n", d.Rows, len(d.Files), d.ExportTimestamp, d.Source.Kind)
	if d.Source.Sample {
		b.WriteString("The rows are made up: sample data.\n\n")
	}
	if d.Chain != nil {
		fmt.Fprintf(&b, "Link %d of the chain %s.\n\n", d.Chain.Sequence, d.Chain.Name)
	}
	fmt.Fprintf(&b, "- Order and what is promised: %s\n- Tenants: %s\n- Personal data: masks %s\n", d.Source.Guarantee, d.Source.Isolation, d.Masks.Mode)
	if k := d.KAnonymity; k != nil {
		fmt.Fprintf(&b, "- Only rows of groups with at least %d persons, by %s: %d rows are left out\n", k.K, strings.Join(k.Quasi, ", "), k.RowsSuppressed)
	}
	b.WriteString("- `schema.json` says what each member is, and which are known only after the outcome: learning from those leaks it.\n" +
		"- `stats.json` counts NULLs, statuses and durations.\n" +
		"- The manifest names every file with its SHA-256. `indelible dataset verify` checks them against the ledger, offline with its public key.\n")
	return b.Bytes()
}

// roleExport is the role of what the export adds to a row.
const roleExport = "export"
