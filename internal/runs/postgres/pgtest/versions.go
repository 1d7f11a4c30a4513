package pgtest

import (
	"fmt"
	"path/filepath"
)

// VersionsFor are the major versions that tests run over beside the system's own;
// in short the newest.
func VersionsFor(short bool) []int {
	if short {
		return []int{18}
	}
	return []int{14, 16, 17, 18}
}

// StartVersion is Start with a server of another major version. scripts/tools
// installs it where it is not: tests never skip. Those packages are servers only;
// psql is the system's.
func StartVersion(major int, more ...string) (*Cluster, error) {
	client, err := Programs()
	if err != nil {
		return nil, err
	}
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(root, ".bin", "postgresql", "node_modules", fmt.Sprintf("postgresql-%d", major), "native", "bin")
	if !has(bin, "postgres") {
		if err := install("postgresql-versions"); err != nil {
			return nil, err
		}
	}
	if bin, err = filepath.EvalSymlinks(bin); err != nil {
		return nil, fmt.Errorf("PostgreSQL %d: %w", major, err)
	}
	return start(bin, client, more)
}
