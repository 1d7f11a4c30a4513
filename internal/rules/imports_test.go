package rules

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "indelible"

// A room is a package and what it may import: other rooms, by their path below
// the module, and modules from outside.
type room struct {
	rooms    []string
	external []string
}

// rooms is the plan of the house, docs/architecture.md, as arrows. A package
// that is not here fails the test, and so does an arrow that is not here:
// whoever needs one writes it down and says why.
//
// A package has one external module. The tree's two, x/mod and torchwood, are
// parts of the format and count as one, and so do the modules of the AWS SDK.
// cmd wires everything and may have two.
var rooms = map[string]room{
	".": {nil, []string{"golang.org/x/mod", "filippo.io/torchwood"}},

	"internal/disk":            {nil, []string{"golang.org/x/sys"}},
	"internal/disk/disktest":   {[]string{"internal/disk"}, []string{"github.com/cockroachdb/pebble/v2"}},
	"internal/store":           {},
	"internal/store/dir":       {[]string{"internal/disk", "internal/store"}, nil},
	"internal/store/s3":        {[]string{"internal/store"}, []string{"github.com/aws"}},
	"internal/store/probe":     {[]string{"internal/store"}, nil},
	"internal/store/s3/s3test": {[]string{"internal/store/s3"}, []string{"github.com/aws"}},
	"internal/store/storetest": {[]string{"internal/store"}, []string{"github.com/google/go-cmp"}},

	"internal/journal": {[]string{".", "internal/disk", "internal/sha256lanes"}, nil},
	"internal/ledger":  {[]string{".", "internal/disk", "internal/journal", "internal/sha256lanes", "internal/store"}, []string{"golang.org/x/mod", "filippo.io/torchwood"}},
	// What the processor can do.
	"internal/sha256lanes": {nil, []string{"golang.org/x/sys"}},
	"internal/seal":        {[]string{".", "internal/disk"}, []string{"modernc.org/sqlite"}},

	"internal/seal/keyfile":  {[]string{"internal/disk", "internal/seal"}, []string{"filippo.io/age"}},
	"internal/seal/awskms":   {[]string{"internal/seal"}, []string{"github.com/aws"}},
	"internal/seal/vault":    {[]string{"internal/disk", "internal/seal"}, nil},
	"internal/seal/sealtest": {[]string{"internal/seal"}, nil},

	"internal/recorder":             {[]string{".", "internal/journal", "internal/ledger", "internal/seal"}, []string{"github.com/google/uuid"}},
	"internal/search":               {[]string{"."}, nil},
	"internal/search/sqlite":        {[]string{"internal/search"}, []string{"modernc.org/sqlite"}},
	"internal/search/searchtest":    {[]string{".", "internal/search"}, nil},
	"internal/access":               {[]string{".", "internal/disk"}, nil},
	"internal/access/cedar":         {[]string{"internal/access"}, []string{"github.com/cedar-policy/cedar-go"}},
	"internal/access/oidc":          {[]string{"internal/access"}, []string{"github.com/coreos/go-oidc/v3"}},
	"internal/access/oidc/oidctest": {nil, []string{"github.com/zitadel/oidc/v3", "github.com/go-jose/go-jose/v4"}},
	"internal/exports":              {[]string{"internal/access", "internal/dataset", "internal/disk"}, nil},
	"internal/api":                  {[]string{".", "internal/access", "internal/disk", "internal/exports", "internal/govern", "internal/history", "internal/history/scoped", "internal/jobs", "internal/journal", "internal/ledger", "internal/recorder", "internal/search", "internal/store"}, []string{"github.com/klauspost/compress"}},
	"internal/history/scoped":       {[]string{".", "internal/access", "internal/history", "internal/ledger", "internal/search"}, nil},
	"client":                        {[]string{"."}, nil},
	"internal/history":              {[]string{".", "internal/ledger", "internal/recorder", "internal/seal", "internal/search"}, nil},
	"internal/importer":             {[]string{"."}, []string{"github.com/google/uuid"}},
	"internal/sample":               {[]string{"."}, nil},
	"internal/runs":                 {},
	"internal/runs/sample":          {[]string{"internal/runs"}, nil},
	"internal/runs/postgres":        {[]string{"internal/runs"}, []string{"github.com/jackc/pgx/v5"}},
	"internal/runs/postgres/pgtest": {},
	"internal/runs/runstest":        {[]string{"internal/runs", "internal/runs/sample"}, []string{"github.com/google/go-cmp"}},
	"internal/runs/sqlite":          {[]string{"internal/runs"}, []string{"modernc.org/sqlite"}},

	"internal/mask":             {[]string{"internal/mask/keccak", "internal/mask/nfc"}, []string{"github.com/nyaruka/phonenumbers"}},
	"internal/mask/keccak":      {nil, []string{"golang.org/x/crypto"}},
	"internal/mask/nfc":         {nil, []string{"golang.org/x/text"}},
	"internal/dataset":          {[]string{".", "internal/runs"}, nil},
	"internal/dataset/folder":   {[]string{"internal/dataset", "internal/disk"}, nil},
	"internal/dataset/bucket":   {[]string{"internal/dataset", "internal/store", "internal/store/s3"}, nil},
	"internal/dataset/compress": {[]string{"internal/dataset"}, []string{"github.com/klauspost/compress"}},
	"internal/dataset/encrypt":  {nil, []string{"filippo.io/age"}},
	"internal/dataset/parquet":  {[]string{"internal/dataset", "internal/runs"}, []string{"github.com/parquet-go/parquet-go"}},
	"internal/dataset/kanon":    {[]string{"internal/runs"}, nil},
	"internal/mask/leaks":       {[]string{"internal/mask"}, []string{"github.com/BurntSushi/toml"}},
	// The note package names the log's key; yaml is the one dependency.
	"internal/datadir": {
		[]string{".", "internal/disk", "internal/ledger", "internal/store", "internal/store/dir", "internal/store/s3", "internal/seal", "internal/seal/keyfile", "internal/seal/awskms", "internal/seal/vault"},
		[]string{"github.com/goccy/go-yaml", "golang.org/x/mod"},
	},
	"internal/backup": {nil, []string{"filippo.io/age"}},
	// What people decide about a log.
	"internal/govern": {[]string{".", "internal/disk", "internal/ledger", "internal/seal"}, nil},
	// Events from other processes on this machine, to the one that writes.
	"internal/handover": {[]string{".", "internal/ledger", "internal/recorder"}, nil},

	// Work that runs by itself. River is one module, with a driver for each database.
	"internal/jobs":          {[]string{".", "internal/jobs/schedule"}, []string{"github.com/riverqueue/river"}},
	"internal/jobs/schedule": {nil, []string{"github.com/robfig/cron/v3"}},
	"internal/jobs/sqlite":   {nil, []string{"modernc.org/sqlite"}},
	"internal/jobs/postgres": {nil, []string{"github.com/jackc/pgx/v5"}},

	// Tests, and what only tests use.
	"internal/mask/masktest": {[]string{"internal/mask"}, nil},

	"internal/rules":      {},
	"internal/doctest":    {},
	"internal/compat":     {},
	"internal/vectortest": {},

	"cmd/indelible": {
		[]string{
			".", "internal/backup", "internal/datadir", "internal/dataset", "internal/dataset/folder", "internal/disk", "internal/handover", "internal/importer", "internal/journal", "internal/ledger", "internal/mask", "internal/mask/leaks",
			"internal/recorder", "internal/runs", "internal/runs/postgres", "internal/runs/sample", "internal/runs/sqlite", "internal/sample", "internal/store", "internal/store/dir", "internal/store/probe", "internal/store/s3",
			"internal/history", "internal/search", "internal/search/sqlite",
			"internal/govern", "internal/seal",
			"internal/dataset/bucket", "internal/dataset/compress", "internal/dataset/encrypt", "internal/dataset/kanon", "internal/dataset/parquet",
			"internal/access", "internal/access/cedar", "internal/api", "internal/exports",
			"internal/access/oidc",
			"internal/jobs", "internal/jobs/sqlite", "internal/jobs/postgres",
		},
		[]string{"github.com/spf13/cobra", "github.com/google/uuid"},
	},
}

// forTests are the modules that test files may import besides.
var forTests = []string{
	"filippo.io/age",
	"github.com/google/go-cmp",
	"github.com/gowebpki/jcs",
	"github.com/rogpeppe/go-internal",
	"github.com/goccy/go-yaml",
	"github.com/go-jose/go-jose/v4",
	"go.uber.org/goleak",
	"pgregory.net/rapid",
	"github.com/aws",
	"filippo.io/torchwood",
	"golang.org/x/mod",
}

// ofTheFormat are parts of the format: they do not count as a dependency.
var ofTheFormat = []string{"golang.org/x/mod", "filippo.io/torchwood"}

func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	arrows := 0
	for _, name := range goFiles(t) {
		from := path.Dir(name)
		r, known := rooms[from]
		if !known {
			if !seen[from] {
				t.Errorf("package %s is not in the table of rooms", from)
			}
			seen[from] = true
			continue
		}
		seen[from] = true
		isTest := strings.HasSuffix(name, "_test.go")
		for _, imported := range importsOf(t, name) {
			arrows++
			if problem := judge(from, r, imported, isTest); problem != "" {
				t.Errorf("%s imports %s: %s", name, imported, problem)
			}
		}
	}
	if len(seen) < 15 || arrows < 300 {
		t.Errorf("saw %d packages and %d imports: the walk does not see the module", len(seen), arrows)
	}
}

// judge says what is wrong with an import, or nothing.
func judge(from string, r room, imported string, isTest bool) string {
	to, ours := strings.CutPrefix(imported, module+"/")
	if imported == module {
		to, ours = ".", true
	}
	switch {
	case ours && isTest: // tests use drivers and helpers of any room
		if _, ok := rooms[to]; !ok {
			return "no such room"
		}
		return ""
	case ours && strings.HasSuffix(to, "test") && !strings.HasSuffix(from, "test"):
		return "it is for tests only"
	case ours && !slices.Contains(r.rooms, to):
		return "the plan has no such arrow"
	case ours || isStandard(imported):
		return ""
	case within(imported, r.external) || isTest && within(imported, forTests):
		return ""
	}
	return "not a dependency of this package"
}

func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != module
}

func within(imported string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

func TestOneDependencyAPackage(t *testing.T) {
	for name, r := range rooms {
		n := 0
		for _, m := range r.external {
			if !slices.Contains(ofTheFormat, m) {
				n++
			}
		}
		limit := 1
		switch name {
		case "cmd/indelible", "internal/access/oidc/oidctest": // the provider's interfaces name types of its own dependency
			limit = 2
		}
		if n > limit {
			t.Errorf("%s has %d external dependencies: %v", name, n, r.external)
		}
	}
}

// TestRoomsAreDescribed: who looks for a package finds it in the picture.
func TestRoomsAreDescribed(t *testing.T) {
	text := string(read(t, "docs/architecture.md"))
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		short := strings.TrimPrefix(name, "internal/")
		if name != "." && !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+short+"`") {
			t.Errorf("docs/architecture.md does not mention %s", name)
		}
	}
}

// TestNoCircles: the compiler refuses circles between packages, not in the plan.
func TestNoCircles(t *testing.T) {
	state := make(map[string]int) // 1: being looked at, 2: done
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case 1:
			t.Fatalf("%s can import itself", name)
		case 2:
			return
		}
		state[name] = 1
		for _, to := range rooms[name].rooms {
			if _, ok := rooms[to]; !ok {
				t.Errorf("%s may import %s, which is no room", name, to)
			}
			visit(to)
		}
		state[name] = 2
	}
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		visit(name)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, imported string
		isTest         bool
		allowed        bool
	}{
		{".", "crypto/sha256", false, true},
		{".", "golang.org/x/mod/sumdb/tlog", false, true},
		{".", "golang.org/x/modern", false, false},
		{".", "indelible/internal/disk", false, false},
		{"internal/journal", "indelible", false, true},
		{"internal/journal", "indelible/internal/store", false, false},
		{"internal/journal", "indelible/internal/disk/disktest", false, false},
		{"internal/journal", "indelible/internal/disk/disktest", true, true},
		{"internal/journal", "github.com/google/uuid", false, false},
		{"internal/journal", "pgregory.net/rapid", true, true},
		{"internal/journal", "pgregory.net/rapid", false, false},
		{"internal/ledger", "indelible/internal/recorder", false, false},
		{"internal/ledger", "indelible/internal/nowhere", true, false},
	} {
		if got := judge(c.from, rooms[c.from], c.imported, c.isTest); (got == "") != c.allowed {
			t.Errorf("%s imports %s (test %v): %q", c.from, c.imported, c.isTest, got)
		}
	}
}

func importsOf(t *testing.T, name string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path.Join(root, name), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, s := range f.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// goFiles are the Go files of this module, for every system. bench is a module
// of its own.
func goFiles(t *testing.T) []string {
	var names []string
	walk(t, func(name string, _ fs.DirEntry) {
		if strings.HasSuffix(name, ".go") && !strings.HasPrefix(name, "bench/") && !strings.Contains(name, "testdata/") {
			names = append(names, name)
		}
	})
	return names
}
