package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"indelible/internal/dataset"
	"indelible/internal/dataset/folder"
	"indelible/internal/dataset/parquet"
	"indelible/internal/runs"
	"indelible/internal/runs/sample"
	"indelible/internal/runs/sqlite"
)

//go:embed duckdb.mjs
var duckdbScript []byte

// benchDuckDB writes the same rows as JSON lines and as Parquet, has DuckDB read
// both and compare every value, and compares our file's size with that of its
// own COPY of the same table.
func benchDuckDB(ctx context.Context, e *env) error {
	if out, err := exec.CommandContext(ctx, "../scripts/tools", "duckdb").CombinedOutput(); err != nil {
		return fmt.Errorf("install DuckDB: %w: %s", err, out)
	}
	n := min(e.n, 300_000)
	file := filepath.Join(e.dir, "duckdb.db")
	if err := sqlite.Fill(ctx, file, sample.Runs(1, n), `{"seed":1}`); err != nil {
		return err
	}
	source, err := sqlite.New(file)
	if err != nil {
		return err
	}
	defer source.Close()
	for name, columnar := range map[string]dataset.Columnar{"runs.jsonl": nil, "runs.parquet": parquet.Format{Compressed: true}} {
		job := &dataset.Job{
			Source: source, Query: runs.Query{AllTenants: true}, Place: folder.New(e.dir), File: name, Format: filepath.Ext(name)[1:], Compression: "none", Columnar: columnar,
			Recorder: nowhere{}, NewID: func() string { return "00000000-0000-4000-8000-000000000001" },
		}
		if _, err := dataset.Export(ctx, job); err != nil {
			return err
		}
	}
	script, err := filepath.Abs("../.bin/duckdb/compare.mjs")
	if err != nil {
		return err
	}
	if err := os.WriteFile(script, duckdbScript, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "node", script, e.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var r struct{ Rows, Different, Ours, Theirs float64 }
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if r.Different != 0 || int(r.Rows) != n {
		return errors.New("DuckDB reads other rows from Parquet than from JSON lines: " + string(out))
	}
	row(fmt.Sprintf("Parquet: size against DuckDB's COPY with zstd, %d rows, every value equal to JSON lines", n), fmt.Sprintf("%.2f x", r.Ours/r.Theirs), "1.1 x", "1.3 x")
	return nil
}
