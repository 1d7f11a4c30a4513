package journal

import (
	"testing"

	"indelible/internal/vectortest"
)

// TestVectors keeps the example in docs/format.md the file TestGoldenFile reads.
func TestVectors(t *testing.T) {
	b := vectortest.NewBlock("journal")
	b.Bytes(fileName(1, testID), buildFile(testRecords(0, 2), testRecords(2, 3)))
	b.Check(t, "../../docs/format.md")
}
