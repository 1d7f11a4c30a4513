package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"indelible/internal/dataset"
)

// datasetReport verifies what was just exported and writes down what an auditor
// files: what was asked, what was made, and that it holds.
func (a *app) datasetReport(ctx context.Context, place *placeOptions, result *dataset.Result) ([]byte, error) {
	r, err := a.verifyDataset(ctx, &datasetVerifyOptions{placeOptions: *place, quiet: true})
	if err != nil {
		return nil, err
	}
	m := result.Manifest
	d := &m.Dataset
	var b bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, visible(fmt.Sprintf(format, args...)))
	}
	b.WriteString("Export of workflow runs\n\n")
	line("exported", "%s, snapshot of %s", m.Run.Finished.Format(time.RFC3339), d.ExportTimestamp)
	line("run", "%s, attempt %d, by %s", d.RunID, m.Run.Attempt, m.Run.Build)
	line("source", "%s %s, table %s", d.Source.Kind, d.Source.Version, d.Source.Table)
	if d.Source.Sample {
		line("sample", "the rows are made up")
	}
	line("tenants", "%s", tenantsOf(d))
	line("isolation", "%s", d.Source.Isolation)
	line("masks", "%s", d.Masks.Mode)
	line("guarantee", "%s", d.Source.Guarantee)
	if d.Chain != nil {
		line("chain", "%s, link %d", d.Chain.Name, d.Chain.Sequence)
	}
	line("rows", "%d", d.Rows)
	line("content", "%s", d.ContentDigest)
	line("manifest", "%s", result.Path)
	line("version", "%s", m.Version)
	b.WriteString("\nFiles: rows, bytes, SHA-256\n\n")
	for _, f := range d.Files {
		fmt.Fprintf(&b, "%12d %14d %s  %s\n", f.Rows, f.Bytes, f.SHA256, visible(f.Path))
	}
	b.WriteString("\nVerification, from the files and the ledger as they are now\n\n")
	printDatasetReport(&b, r)
	return b.Bytes(), datasetExit(r)
}

func tenantsOf(d *dataset.Dataset) string {
	const shown = 20
	text := ""
	for i, t := range d.Tenants {
		if i == shown {
			return text + fmt.Sprintf(" and %d more", len(d.Tenants)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s (%d rows)", field(t.TenantID), t.Rows)
	}
	return text
}
