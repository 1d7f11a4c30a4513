package api

import (
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"

	"indelible/internal/access"
)

// TestDescription: api/openapi.yaml describes the routes there are, and no others.
func TestDescription(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var described, answered []string
	path := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if p, ok := strings.CutPrefix(line, "  /"); ok {
			path = "/" + strings.TrimSuffix(p, ":")
		}
		if m := strings.TrimSpace(line); line == "    "+m && slices.Contains([]string{"get:", "post:", "put:", "delete:", "patch:"}, m) {
			described = append(described, strings.ToUpper(strings.TrimSuffix(m, ":"))+" "+path)
		}
	}
	for _, r := range (&Server{}).routes() {
		answered = append(answered, strings.Replace(r.pattern, "...}", "}", 1))
	}
	slices.Sort(described)
	slices.Sort(answered)
	if !slices.Equal(described, answered) {
		t.Errorf("described\n%s\nanswered\n%s", strings.Join(described, "\n"), strings.Join(answered, "\n"))
	}
	// Each problem, parameter and field of a search is described.
	for code := range titles {
		if !regexp.MustCompile(`\b` + code + `\b`).Match(text) {
			t.Errorf("the code %s is not described", code)
		}
	}
	for _, name := range append(slices.Clone(searchParameters), "ack", "without_person", "event_id") {
		if !strings.Contains(string(text), "name: "+name) {
			t.Errorf("the parameter %s is not described", name)
		}
	}
}

func FuzzCursor(f *testing.F) {
	s := &Server{}
	who := &access.Principal{Name: "somebody", Tenants: []string{"acme"}}
	query := map[string]string{"user_id": "maria"}
	f.Add(s.sealCursor(cursor{Size: 10, At: 3}, who, query))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := s.openCursor(text, who, query)
		if err == nil && s.sealCursor(c, who, query) != text {
			t.Errorf("%q is taken as %+v", text, c)
		}
		if _, err := s.openCursor(text, &access.Principal{Name: "another"}, query); err == nil {
			t.Errorf("%q is taken from another", text)
		}
	})
}

// FuzzPath: what is let through has neither dot segments nor empty ones, however
// often it is unescaped.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v1/events", "/v1/../x", "/%2e%2e/x", "//x", "/a%2fb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := r.URL.Parse("http://x")
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		if u, err = u.Parse("/x"); err != nil {
			return
		}
		u.Path = path
		r.URL = u
		if badPath(r) != "" {
			return
		}
		for _, step := range strings.Split(r.URL.Path[1:], "/") {
			if step == "." || step == ".." || step == "" && path != "/" {
				t.Errorf("%q is let through", path)
			}
		}
		if tilePath.MatchString(strings.TrimPrefix(path, "/")) && strings.Contains(path, "..") {
			t.Errorf("%q is a tile", path)
		}
	})
}

// FuzzTile: what is taken for the name of a tile is the name of one object, and
// every name of a tile is taken.
func FuzzTile(f *testing.F) {
	for _, seed := range []string{"tile/0/000", "tile/entries/x001/234.p/5", "tile/8/x1/000", "tile/0/../checkpoint", "tile/0/000\n", "tile/0/٠٠٠"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		taken := tilePath.MatchString(name)
		if taken && (path.Clean(name) != name || !strings.HasPrefix(name, "tile/") || strings.Trim(name, "tile/nrsxp.0123456789") != "") {
			t.Errorf("%q is taken for a tile", name)
		}
		if _, err := torchwood.ParseTilePath(name); err == nil && !taken && !strings.HasPrefix(name, "tile/data/") {
			t.Errorf("%q is not taken for a tile", name)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("user_id=a&since=2024-10-25T00:00:00Z&limit=3&q=x")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		in, err := parameters(r, searchParameters...)
		if err != nil {
			if problemOf(err).Status != 400 {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		q, err := parseSearch(in, access.TenantScope{})
		if err != nil && problemOf(err).Status != 400 {
			t.Errorf("%q: %v", query, err)
		}
		if err == nil && (q.Limit < 1 || q.Limit > maxLimit || q.Tenants == nil && q.Check() != nil) {
			t.Errorf("%q makes %+v", query, q)
		}
	})
}
