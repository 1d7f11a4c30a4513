package sealtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Vault speaks the HTTP API of Vault's transit engine for the calls the driver
// makes, with the service's own words for errors.
type Vault struct {
	URL       string
	Token     string
	Namespace string

	mu       sync.Mutex
	made     int
	keys     map[string]*heldKey
	deleting map[string]bool // deletion is allowed
	status   int             // every call answers with, if not 0
	words    string
}

// StartVault starts a server that ends with the test.
func StartVault(t testing.TB) *Vault {
	v := &Vault{Token: "hvs.a-token-of-the-test", keys: make(map[string]*heldKey), deleting: make(map[string]bool)}
	s := httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(s.Close)
	v.URL = s.URL
	return v
}

// NewKey makes a key and returns its name.
func (v *Vault) NewKey() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.made++
	name := fmt.Sprintf("indelible-%d", v.made)
	v.keys[name] = &heldKey{versions: [][]byte{material()}, created: time.Now(), state: "aes256-gcm96"}
	return name
}

// Fail makes every call answer with a status and an error until Fail(0, "").
func (v *Vault) Fail(status int, words string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.words = status, words
}

// Known reports whether there is a key of this name.
func (v *Vault) Known(name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.keys[name] != nil
}

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	v.mu.Lock()
	status, data, words := v.answer(r, body)
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	switch {
	case status >= 400:
		errors := []string{}
		if words != "" {
			errors = append(errors, words)
		}
		json.NewEncoder(w).Encode(map[string]any{"errors": errors})
	case data != nil:
		json.NewEncoder(w).Encode(map[string]any{"request_id": "test", "lease_id": "", "renewable": false, "data": data})
	}
}

func (v *Vault) answer(r *http.Request, body []byte) (status int, data any, words string) {
	if r.Header.Get("X-Vault-Token") != v.Token || r.Header.Get("X-Vault-Namespace") != v.Namespace {
		return http.StatusForbidden, nil, "permission denied"
	}
	if v.status != 0 {
		return v.status, nil, v.words
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/transit/")
	if !ok {
		return http.StatusNotFound, nil, fmt.Sprintf("no handler for route %q", r.URL.Path)
	}
	var in struct {
		Plaintext      []byte
		Ciphertext     string
		AssociatedData []byte `json:"associated_data"`
		Allowed        *bool  `json:"deletion_allowed"`
	}
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		return http.StatusBadRequest, nil, "error parsing JSON"
	}
	call, name, _ := strings.Cut(path, "/")
	name, sub, _ := strings.Cut(name, "/")
	key := v.keys[name]
	switch r.Method + " " + call + "/" + sub {
	case "POST encrypt/":
		if key == nil { // Vault does: it makes the key
			key = &heldKey{versions: [][]byte{material()}, created: time.Now(), state: "aes256-gcm96"}
			v.keys[name] = key
		}
		n := len(key.versions)
		text := fmt.Sprintf("vault:v%d:%s", n, encode64(sealWith(key.versions[n-1], in.Plaintext, in.AssociatedData)))
		return http.StatusOK, map[string]any{"ciphertext": text, "key_version": n}, ""
	case "POST decrypt/":
		return v.decrypt(key, in.Ciphertext, in.AssociatedData)
	case "GET keys/":
		if key == nil {
			return http.StatusNotFound, nil, ""
		}
		versions := make(map[string]int64)
		for i := range key.versions {
			versions[strconv.Itoa(i+1)] = key.created.Unix()
		}
		return http.StatusOK, map[string]any{"name": name, "type": key.state, "latest_version": len(key.versions), "keys": versions, "deletion_allowed": v.deleting[name]}, ""
	case "POST keys/rotate":
		if key == nil {
			return http.StatusBadRequest, nil, fmt.Sprintf("no existing key named %s could be found", name)
		}
		key.versions = append(key.versions, material())
		return http.StatusNoContent, nil, ""
	case "POST keys/config":
		if key == nil {
			return http.StatusBadRequest, nil, fmt.Sprintf("no existing key named %s could be found", name)
		}
		v.deleting[name] = in.Allowed != nil && *in.Allowed
		return http.StatusNoContent, nil, ""
	case "DELETE keys/":
		if key == nil {
			return http.StatusBadRequest, nil, "error deleting policy " + name + ": could not delete key; not found"
		}
		if !v.deleting[name] {
			return http.StatusBadRequest, nil, "error deleting policy " + name + ": deletion is not allowed for this key"
		}
		delete(v.keys, name)
		return http.StatusNoContent, nil, ""
	}
	return http.StatusMethodNotAllowed, nil, "unsupported operation"
}

func (v *Vault) decrypt(key *heldKey, text string, bound []byte) (int, any, string) {
	if key == nil {
		return http.StatusBadRequest, nil, "encryption key not found"
	}
	rest, ok := strings.CutPrefix(text, "vault:v")
	version, sealed, cut := strings.Cut(rest, ":")
	n, err := strconv.Atoi(version)
	switch {
	case !ok || !cut || err != nil || strconv.Itoa(n) != version || n < 1:
		return http.StatusBadRequest, nil, "invalid ciphertext: no prefix"
	case n > len(key.versions):
		return http.StatusBadRequest, nil, "invalid ciphertext: version is too new"
	}
	b, err := base64.StdEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return http.StatusBadRequest, nil, "invalid ciphertext: could not decode base64"
	}
	plain, err := openWith(key.versions[n-1], b, bound)
	if err != nil {
		return http.StatusBadRequest, nil, "cipher: message authentication failed"
	}
	return http.StatusOK, map[string]any{"plaintext": encode64(plain)}, ""
}
