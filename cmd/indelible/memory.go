package main

import "strings"

// What the heap of an export is kept below: it streams, and needs no more. A row
// that is larger goes through all the same.
const (
	exportHeap  = 48 << 20
	parquetHeap = 96 << 20
)

// limitHeap is debug.SetMemoryLimit in a process that is one command and no more.
var limitHeap = func(int64) int64 { return 0 }

// smallHeap bounds the heap of an export, unless GOMEMLIMIT does. Chains and groups
// may keep something of each row, and are not bounded.
func (a *app) smallHeap(o *exportSpec) {
	if a.env("GOMEMLIMIT") != "" || o.chain != "" || o.kAnonymity > 0 {
		return
	}
	if o.format == "parquet" || o.format == "" && strings.HasSuffix(strings.TrimSuffix(o.out, ".age"), ".parquet") {
		limitHeap(parquetHeap)
		return
	}
	limitHeap(exportHeap)
}
