//go:build !unix

package disk

import "os"

// Windows has no call that makes a directory's names durable; indelible does
// not write ledgers there.
func syncDir(*os.File) error { return nil }
