package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"indelible/internal/disk"
	"indelible/internal/ledger"
)

// memoryName is the file name under which a log's checkpoint is remembered.
func memoryName(vkey string) string {
	sum := sha256.Sum256([]byte(vkey))
	return hex.EncodeToString(sum[:16]) + ".checkpoint"
}

func writeFileAtomic(name string, data []byte) error { return disk.WriteFile(disk.OS, name, data) }

const maxProblemsShown = 50

// printReport writes a report for a person.
func printReport(w io.Writer, r *ledger.Report) {
	fmt.Fprintf(w, "log         %s\n", r.Origin)
	fmt.Fprintf(w, "result      %s\n", r.Result)
	fmt.Fprintf(w, "events      %d\n", r.Events)
	if r.Conflicts > 0 {
		fmt.Fprintf(w, "conflicts   %d (among the events)\n", r.Conflicts)
	}
	fmt.Fprintf(w, "leaves      %d in %d segments, %d tenants\n", r.Leaves, r.Segments, r.Tenants)
	if r.Range != nil {
		fmt.Fprintf(w, "range       leaves %d to %d\n", r.Range.First, r.Range.End-1)
	}
	if r.Returned > 0 {
		fmt.Fprintf(w, "returned    %d tenants were erased and began again, in a row of their own\n", r.Returned)
	}
	fmt.Fprintf(w, "system      %d events of the log's own tenants\n", r.SystemEvents)
	if r.ExpiredSegments > 0 {
		fmt.Fprintf(w, "expired     %d events in %d segments, removed under the retention policy; their leaves are there\n", r.Expired, r.ExpiredSegments)
	}
	if r.MissingSegments > 0 {
		fmt.Fprintf(w, "missing     %d events in %d segments, gone without a word in the log\n", r.Missing, r.MissingSegments)
	}
	if r.Unopened > 0 {
		fmt.Fprintf(w, "unopened    %s, as the log says; there is no key here to look inside\n", count(int(r.Unopened), "payload"))
	}
	if r.Pending > 0 {
		fmt.Fprintf(w, "pending     %d leaves are in the store and not yet under the checkpoint\n", r.Pending)
	}
	fmt.Fprintf(w, "compared    %d objects, %.1f MB read in %.1f s\n", r.Objects+r.Segments, float64(r.Bytes)/1e6, r.Seconds)
	fmt.Fprintf(w, "root        %s\n", r.Root)
	for i, p := range r.Problems {
		if i == maxProblemsShown {
			fmt.Fprintf(w, "problem     … and %d more; --json lists them all\n", len(r.Problems)-i)
			break
		}
		fmt.Fprintf(w, "problem     %s\n", describe(p))
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(w, "unchecked   %s\n", u)
	}
}

func describe(p ledger.Problem) string {
	s := p.Object
	if p.Index != nil {
		s += fmt.Sprintf(", leaf %d", *p.Index)
	}
	if p.EventID != "" {
		s += ", event " + p.EventID
	}
	// Names and ids may come from whoever changed the object.
	return visible(s + ": " + p.What)
}

// writeReport writes the evidence of a verification as text and as JSON.
func writeReport(name string, r *ledger.Report) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "Verification of an audit log\n\n")
	fmt.Fprintf(&text, "begun       %s\n", r.Started.Format(time.RFC3339))
	printReport(&text, r)
	fmt.Fprintf(&text, "\ncheckpoint\n\n%s", r.Checkpoint)
	if err := writeFileAtomic(name, text.Bytes()); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFileAtomic(name+".json", append(b, '\n'))
}
