// Command bench measures the program against limits taken in the same run: a
// bare write and fsync, a bare hash, another log. Ratios carry over from
// machine to machine; seconds do not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
)

type bench struct {
	name string
	what string
	run  func(context.Context, *env) error
}

var benches = []bench{
	{"append", "durable append of ready 600-byte records, 256 and 1,024 callers, against bare SHA-256 + write + grouped fsync", benchAppend},
	{"tessera", "the same against Tessera POSIX", benchTessera},
	{"road", "whole road from event JSON, CPU an event", benchRoad},
	{"verify", "full verification against a bare rehash; memory", benchVerify},
	{"fsck", "full verification against Tessera's fsck", benchFsck},
	{"puts", "S3 writes for a commit and a publish", benchPuts},
	{"open", "opening a large ledger, proving one leaf", benchOpen},
	{"search", "the search index follows a large ledger; usual queries in it", benchSearch},
	{"searchsealed", "the same with encrypted records", benchSearchSealed},
	{"duckdb", "Parquet read by DuckDB, value by value; size", benchDuckDB},
	{"export", "exports of workflow runs against server-only COPY; memory", benchExport},
	{"seal", "sealing one event, CPU and bytes", benchSeal},
	{"sealedroad", "recording with sealing against without", benchSealedRoad},
	{"subjects", "100,000 persons in a tenant against one", benchSubjects},
	{"opensealed", "opening sealed records", benchOpenSealed},
	{"http", "events over HTTP against the same recorder in process; single events against a bare grouped fsync", benchHTTP},
	{"served", "memory of a server under steady load", benchServed},
	{"workers", "exports shared by three processes against one", benchWorkers},
	{"tenants", "10,000 tenants against one", benchTenants},
	{"erase", "erase a person with 10,000 records, in logs of two sizes", benchErase},
	{"mask", "what the mask finds, and how fast", benchMask},
}

// env is what a benchmark is run with.
type env struct {
	dir      string // scratch, on the disk to be measured
	n        int    // events in large ledgers
	soak     bool
	labelled string // folder of labelled sentences
}

func main() {
	dir := flag.String("dir", "", "scratch directory (default: a temporary one)")
	n := flag.Int("n", 1_000_000, "events in the large ledgers")
	soak := flag.Bool("soak", false, "5 million events")
	keep := flag.String("keep", "", "scratch directory that stays, with ledgers in it that are used again; ext4 makes files slowly for minutes after thousands were deleted nearby")
	labelled := flag.String("labelled", labelledSentences, "folder of sentences with labelled personal data, for mask")
	flag.Parse()
	if err := run(*dir, *keep, *labelled, *n, *soak, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(dir, scratch, labelled string, n int, soak bool, names []string) error {
	if soak {
		n = 5_000_000
	}
	if scratch == "" {
		var err error
		if scratch, err = os.MkdirTemp(dir, "indelible-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(scratch)
	} else if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	e := &env{dir: scratch, n: n, soak: soak, labelled: labelled}
	for _, b := range benches {
		if len(names) > 0 && !contains(names, b.name) {
			continue
		}
		fmt.Printf("# %s: %s\n", b.name, b.what)
		if err := b.run(context.Background(), e); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		for part := range strings.SplitSeq(n, ",") {
			if part == name {
				return true
			}
		}
	}
	return false
}

// row prints one line of the table: what, measured, goal, floor.
func row(what, measured, goal, floor string) {
	fmt.Printf("%-78s %12s   goal %-10s floor %s\n", what, measured, goal, floor)
}
