package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// Names in the store: docs/format.md, Names in the store.
const (
	walPrefix         = "wal/"
	headsPrefix       = "heads/"
	tilePrefix        = "tile/"
	checkpointName    = "checkpoint"
	checkpointsPrefix = "checkpoints/"
)

func segmentName(seq uint64) string     { return fmt.Sprintf("%s%020d", walPrefix, seq) }
func headsName(size uint64) string      { return fmt.Sprintf("%s%020d", headsPrefix, size) }
func keptCheckpoint(size uint64) string { return fmt.Sprintf("%s%020d", checkpointsPrefix, size) }

// numberOf reads the number in a name made of a prefix and 20 digits.
func numberOf(name, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// tileName names a hash tile of w hashes; bundleName the bundle of w entries.
func tileName(level int, n int64, w int) string {
	return torchwood.TilePath(tlog.Tile{H: torchwood.TileHeight, L: level, N: n, W: w})
}

func bundleName(n int64, w int) string { return tileName(-1, n, w) }

// leafEntry is the size of a leaf in its bundle: u16 length, then the leaf.
const leafEntry = 2 + indelible.LeafSize
