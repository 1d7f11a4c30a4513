package keccak

import (
	"encoding/hex"
	"testing"
)

// TestSum256: the hash of nothing is known from empty accounts of Ethereum.
func TestSum256(t *testing.T) {
	sum := Sum256(nil)
	if got := hex.EncodeToString(sum[:]); got != "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" {
		t.Error(got)
	}
}
