package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/search"
)

// parameters reads the query of a request: each of the names known, once.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "bad_query", "it cannot be read")
	}
	out := make(map[string]string, len(values))
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, problem(http.StatusBadRequest, "bad_query", "there is no parameter of this name; look at the API's description")
		case len(v) > 1:
			return nil, problem(http.StatusBadRequest, "bad_query", name+" is given more than once")
		case !utf8.ValidString(v[0]):
			return nil, problem(http.StatusBadRequest, "bad_query", name+" is not UTF-8")
		}
		out[name] = v[0]
	}
	return out, nil
}

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// searchParameters are the names of a search.
var searchParameters = append(slices.Clone(search.Fields), "since", "until", "q", "order", "limit", "cursor")

// parseSearch makes a query of what is in a scope.
func parseSearch(in map[string]string, scope access.TenantScope) (q search.Query, err error) {
	q = search.Query{Where: make(map[string]string), Text: in["q"], Limit: defaultLimit}
	for _, field := range search.Fields {
		if v, ok := in[field]; ok {
			q.Where[field] = v
		}
	}
	if tenants, all := scope.Tenants(); !all {
		q.Tenants = tenants
	}
	for name, to := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if v, ok := in[name]; ok {
			if *to, err = indelible.ParseTimestamp(v); err != nil {
				return q, problem(http.StatusBadRequest, "bad_query", name+" is an RFC 3339 timestamp, such as 2024-10-25T14:03:11Z")
			}
		}
	}
	switch in["order"] {
	case "", "newest":
	case "log":
		q.LogOrder = true
	default:
		return q, problem(http.StatusBadRequest, "bad_query", "order is newest or log")
	}
	if v, ok := in["limit"]; ok {
		if q.Limit, err = strconv.Atoi(v); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, problem(http.StatusBadRequest, "bad_query", "limit is a number from 1 to 1000")
		}
	}
	return q, q.Check()
}

// cursor says where a search goes on: in the same tree, for the same query of the
// same caller.
type cursor struct {
	Size uint64 `json:"s"`
	At   uint64 `json:"a"` // in log order the first leaf to look at, otherwise the one after the last
}

const maxCursor = 200

// sealCursor makes a cursor that only this server, this caller and this query know.
func (s *Server) sealCursor(c cursor, who *access.Principal, in map[string]string) string {
	b, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(s.cursorMAC(b, who, in), b...))
}

func (s *Server) openCursor(text string, who *access.Principal, in map[string]string) (c cursor, err error) {
	bad := problem(http.StatusBadRequest, "bad_cursor", "begin the query again without it")
	if len(text) > maxCursor {
		return c, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < sha256.Size || !hmac.Equal(b[:sha256.Size], s.cursorMAC(b[sha256.Size:], who, in)) {
		return c, bad
	}
	if err := json.Unmarshal(b[sha256.Size:], &c); err != nil {
		return c, bad
	}
	return c, nil
}

// cursorMAC binds a cursor to what it was given for. The number of events on a
// page may change, and nothing else.
func (s *Server) cursorMAC(b []byte, who *access.Principal, in map[string]string) []byte {
	query := make(map[string]string, len(in))
	for name, v := range in {
		if name != "cursor" && name != "limit" {
			query[name] = v
		}
	}
	text, err := json.Marshal([]any{who.Name, who.All, who.Tenants, query}) // maps by rising names
	if err != nil {
		return nil
	}
	m := hmac.New(sha256.New, s.cursorKey[:])
	m.Write(text)
	m.Write([]byte{0})
	m.Write(b)
	return m.Sum(nil)
}
