package doctest

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"indelible/internal/store/s3/s3test"
)

const root = "../.."

// documents are those that show commands, and how many are run and compared at
// least: a document whose blocks are not found must not pass.
var documents = map[string]struct{ run, compared int }{
	"README.md":          {run: 16, compared: 10},
	"docs/operations.md": {run: 59, compared: 42},
	"docs/api.md":        {run: 32, compared: 22},
	"docs/masking.md":    {run: 3, compared: 2},
}

func TestDocuments(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, filepath.Join(root, "README.md"))
	bin := build(t)
	seen := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		short, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := commands(string(text))
		if err != nil {
			t.Fatalf("%s: %v", short, err)
		}
		want, listed := documents[short]
		switch {
		case !listed && len(all) > 0:
			t.Errorf("%s shows commands and is not in the table of documents", short)
		case listed:
			seen++
			t.Run(short, func(t *testing.T) {
				t.Parallel()
				run, compared := runDocument(t, bin, all)
				t.Logf("%d commands run, the output of %d compared", run, compared)
				if run < want.run || compared < want.compared {
					t.Errorf("%d commands run and %d compared, at least %d and %d were expected", run, compared, want.run, want.compared)
				}
			})
		}
	}
	if seen != len(documents) {
		t.Errorf("found %d of %d documents", seen, len(documents))
	}
}

// build builds the program once for all documents. It looks at the sources
// first, or the go command would take an old result for this one.
func build(t *testing.T) (bin string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".go" {
			_, err = os.Stat(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	bin = t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(bin, "indelible"), "./cmd/indelible")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// runDocument runs the commands of a document, in order, in a folder of its own.
func runDocument(t *testing.T, bin string, all []command) (run, compared int) {
	s := &session{dir: t.TempDir(), env: map[string]string{
		"PATH":   bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME":   t.TempDir(),
		"LC_ALL": "C.UTF-8",
	}}
	t.Cleanup(s.endServer)
	for _, c := range all {
		if strings.HasPrefix(c.text, "make ") {
			t.Logf("line %d: not run: %s", c.line, c.text)
			continue
		}
		output, err := s.run(t, c)
		run++
		if err != nil {
			t.Fatalf("line %d: %s: %v\n%s", c.line, c.text, err, indent(output))
		}
		if len(c.shown) == 0 {
			continue
		}
		compared++
		if what := differs(c.shown, output); what != "" {
			t.Errorf("line %d: %s\n%s", c.line, c.text, what)
		}
	}
	return run, compared
}

// session is the shell a document's commands run in: each in a shell of its
// own, with the variables exported before.
type session struct {
	dir string
	env map[string]string
	s3  *s3test.Server
}

const patience = 2 * time.Minute

func (s *session) run(t *testing.T, c command) (output string, err error) {
	if names, ok := strings.CutPrefix(c.text, "export "); ok {
		return "", s.export(t, names)
	}
	if names, ok := strings.CutPrefix(c.text, "unset "); ok {
		for name := range strings.FieldsSeq(names) {
			delete(s.env, name)
		}
		return "", nil
	}
	if name, ok := strings.CutPrefix(c.text, "age-keygen -o "); ok {
		return s.newIdentity(name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", c.text)
	cmd.Dir, cmd.WaitDelay = s.dir, 5*time.Second // what goes on in the background is not waited for
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.New("does not end")
	}
	return string(out), err
}

// newIdentity does what age-keygen does, which need not be installed here.
func (s *session) newIdentity(name string) (output string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	text := "# public key: " + id.Recipient().String() + "\n" + id.String() + "\n"
	return "Public key: " + id.Recipient().String() + "\n", os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600)
}

// export sets variables. The S3 server in the documents is one that runs here.
func (s *session) export(t *testing.T, assignments string) error {
	for assignment := range strings.FieldsSeq(assignments) {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return errors.New("write export NAME=value")
		}
		if strings.HasPrefix(name, "S3_") && s.s3 == nil {
			s.s3 = s3test.Start(t)
		}
		switch name {
		case "INDELIBLE_URL":
			value = freeAddress(t)
		case "S3_ENDPOINT":
			value = s.s3.Endpoint
		case "S3_ACCESS_KEY":
			value = s.s3.AccessKey
		case "S3_SECRET_KEY":
			value = s.s3.SecretKey
		}
		s.env[name] = value
	}
	return nil
}

// freeAddress is where a server of a document can listen.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// endServer ends the server a document began, where the document did not.
func (s *session) endServer() {
	text, err := os.ReadFile(filepath.Join(s.dir, "serve.pid"))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
}

// TestDiffers: the comparison must be able to fail.
func TestDiffers(t *testing.T) {
	for _, c := range []struct {
		shown  string
		output string
		same   bool
	}{
		{"a", "a\n", true},
		{"a", "a", true},
		{"a", "b\n", false},
		{"a", "", false},
		{"a", "a\nb\n", false},
		{"a\nb", "a\n", false},
		{"a\n…", "a\nb\nc\n", true},
		{"a\n…", "a\n", true},
		{"…\nc", "a\nb\nc\n", true},
		{"…\nc", "a\nb\n", false},
		{"a…c", "abbc\n", true},
		{"a…c", "ab\nc\n", false},
		{"a.c", "abc\n", false},
		{"a  ", "a\n", true},
	} {
		if got := differs(strings.Split(c.shown, "\n"), c.output); (got == "") != c.same {
			t.Errorf("%q and %q: %s", c.shown, c.output, got)
		}
	}
}

// TestCommands: so must the reading of a document.
func TestCommands(t *testing.T) {
	got, err := commands("text\n\n```console\n$ a\n$ b \\\n>   c\nd\n\ne\n```\n```sh\n$ not\n```\n$ nor\n")
	if err != nil || len(got) != 2 || got[0].text != "a" || got[1].text != "b \\\n  c" || strings.Join(got[1].shown, "|") != "d||e" || got[1].line != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"```console\n$ a\n", "```console\na\n```\n", "```console bash\n```\n"} {
		if _, err := commands(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
