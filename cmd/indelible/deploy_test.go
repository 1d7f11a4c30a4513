package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func readRepository(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// anchors are the headings of a document, as links name them.
func anchors(text string) (found []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(name, " ", "-"))
	}
	return found
}

// TestAlerts: each alert is over metrics that a server has and the manual lists,
// and leads to an entry of the runbook.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(readRepository(t, "deploy/alerts.yml")), &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	manual := readRepository(t, "docs/server.md")
	entries := anchors(readRepository(t, "docs/operations.md"))
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.run("keys", "api", "add", "--name", "app", "--role", "writer", "--all-tenants").want(exitOK)
	m.configure("server:\n  tls:\n    certificate: server.pem\n    key: server.key\n")
	m.certificate(1)
	s := m.serve("--metrics", "127.0.0.1:0")
	s.until("a verification has ended", func() bool { return strings.Contains(s.metrics(), "\nindelible_verify_exit_code 0\n") })
	shown := s.metrics()
	named := regexp.MustCompile(`indelible_[a-z_]+`)
	seen := make(map[string]bool)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || r.Alert == "" {
				t.Errorf("alert %q is there twice, or has no name", r.Alert)
			}
			seen[r.Alert] = true
			if !strings.Contains(manual, "`"+r.Alert+"`") {
				t.Errorf("%s is not in docs/server.md", r.Alert)
			}
			if s := r.Labels["severity"]; s != "warning" && s != "critical" || r.Annotations["summary"] == "" {
				t.Errorf("%s: severity %q, %q", r.Alert, s, r.Annotations["summary"])
			}
			if entry, ok := strings.CutPrefix(r.Annotations["runbook"], "docs/operations.md#"); !ok || !slices.Contains(entries, entry) {
				t.Errorf("%s: no entry %q in the runbook", r.Alert, r.Annotations["runbook"])
			}
			metrics := named.FindAllString(r.Expr, -1)
			if len(metrics) == 0 || strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") || strings.Count(r.Expr, "[") != strings.Count(r.Expr, "]") {
				t.Errorf("%s: %s", r.Alert, r.Expr)
			}
			for _, name := range metrics {
				if !strings.Contains(manual, "`"+name+"`") {
					t.Errorf("%s: %s is not in the list of metrics", r.Alert, name)
				}
				if !strings.Contains(shown, "\n"+name+" ") {
					t.Errorf("%s: a server does not show %s", r.Alert, name)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile("`(Indelible[A-Za-z]+)`").FindAllStringSubmatch(manual, -1) {
		if !seen[m[1]] {
			t.Errorf("docs/server.md lists the alert %s, which is not there", m[1])
		}
	}
	for _, name := range []string{"indelible_disk_used_ratio", "indelible_log_key_created_timestamp_seconds", "indelible_verify_timestamp_seconds"} {
		if regexp.MustCompile(`\n` + name + ` (0|-.*)\n`).MatchString(shown) {
			t.Errorf("%s is none", name)
		}
	}
	s.stop().want(exitOK)
}

// instructions are those of a Containerfile, each with what follows it.
func instructions(text string) (all [][2]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		all = append(all, [2]string{name, strings.TrimSpace(rest)})
	}
	return all
}

// TestContainerfile: it cannot be built here; what can be seen of it is right.
func TestContainerfile(t *testing.T) {
	t.Parallel()
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
	var stages []string
	final := make(map[string][]string) // of the last stage
	built := ""
	for _, i := range instructions(readRepository(t, "deploy/Containerfile")) {
		name, rest := i[0], i[1]
		if !slices.Contains(known, name) || rest == "" {
			t.Errorf("no instruction: %s %s", name, rest)
		}
		if name == "FROM" {
			words := strings.Fields(rest)
			stages = append(stages, words[len(words)-1])
			clear(final)
		}
		if name == "ENV" && len(stages) == 1 {
			built += " " + rest
		}
		final[name] = append(final[name], rest)
		if name == "COPY" {
			if from, ok := strings.CutPrefix(strings.Fields(rest)[0], "--from="); ok && !slices.Contains(stages[:len(stages)-1], from) {
				t.Errorf("COPY %s: no stage of this name", rest)
			}
		}
		if name == "ENTRYPOINT" || name == "CMD" {
			var words []string
			if err := json.Unmarshal([]byte(rest), &words); err != nil {
				t.Errorf("%s %s: %v", name, rest, err)
			}
		}
	}
	if len(stages) != 2 || stages[1] != "scratch" || !strings.Contains(built, "CGO_ENABLED=0") {
		t.Errorf("stages %v, environment %s", stages, built)
	}
	if user := final["USER"]; len(user) != 1 || !regexp.MustCompile(`^[1-9][0-9]+:[1-9][0-9]+$`).MatchString(user[0]) {
		t.Errorf("user %v", user)
	}
	if len(final["RUN"]) > 0 || fmt.Sprint(final["ENTRYPOINT"]) != `[["/indelible"]]` || fmt.Sprint(final["VOLUME"], final["ENV"]) != "[/data] [INDELIBLE_DIR=/data]" {
		t.Errorf("%v", final)
	}
}

// TestUnit: what the systemd unit starts is a command of this program, and what
// closes it off is there.
func TestUnit(t *testing.T) {
	t.Parallel()
	settings := make(map[string][]string)
	section := ""
	for line := range strings.Lines(readRepository(t, "deploy/indelible.service")) {
		line = strings.TrimSpace(line)
		switch name, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case !ok || !slices.Contains([]string{"[Unit]", "[Service]", "[Install]"}, section):
			t.Errorf("in %s: %q", section, line)
		default:
			settings[name] = append(settings[name], value)
		}
	}
	for name, want := range map[string]string{
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "CapabilityBoundingSet": "", "MemoryDenyWriteExecute": "yes",
		"RestrictNamespaces": "yes", "UMask": "0077", "KillSignal": "SIGTERM", "User": "indelible", "StateDirectory": "indelible", "StateDirectoryMode": "0700",
		"RestartPreventExitStatus": fmt.Sprint(exitNoLedger, " ", exitOtherWriter, " ", exitWrongKey, " ", exitTampered, " ", exitUsage),
	} {
		if got := settings[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	a := &app{env: func(string) string { return "" }}
	words := strings.Fields(settings["ExecStart"][0])
	cmd, rest, err := a.rootCommand().Find(words[1:])
	if err != nil || cmd.Name() != "serve" {
		t.Fatalf("%v, %v", cmd, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
}
