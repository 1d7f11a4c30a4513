package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"indelible/internal/api"
)

// remote is a server that records for this machine, which need not have the
// ledger's disk: INDELIBLE_URL.
type remote struct {
	url  string
	key  string
	http *http.Client
}

const (
	maxKeyFile      = 4 << 10
	maxRemoteAnswer = 32 << 20
	remoteTimeout   = 100 * time.Second // the server itself ends after 90
)

// remote is the server that INDELIBLE_URL names, or nil. Its API key comes from
// INDELIBLE_API_KEY, or from the file that INDELIBLE_API_KEY_FILE names.
func (a *app) remote() (*remote, error) {
	address := a.env("INDELIBLE_URL")
	if address == "" || a.serving {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(address, "?#") {
		return nil, usagef("write it as https://logs.example.com, without a key in it", "INDELIBLE_URL is not the address of a server")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("use https://: the key would travel in the clear", "INDELIBLE_URL: plain HTTP is for loopback only")
	}
	key, err := a.remoteKey()
	if err != nil {
		return nil, err
	}
	return &remote{strings.TrimSuffix(address, "/"), key, &http.Client{
		Timeout:       remoteTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (a *app) remoteKey() (string, error) {
	const hint = "put a key of role exporter there; `indelible keys api add` makes one where the ledger is"
	key, file := a.env("INDELIBLE_API_KEY"), a.env("INDELIBLE_API_KEY_FILE")
	switch {
	case key != "" && file != "":
		return "", usagef("set one of the two", "INDELIBLE_API_KEY and INDELIBLE_API_KEY_FILE are both set")
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return "", usagef(hint, "INDELIBLE_API_KEY_FILE: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
		if err != nil {
			return "", fmt.Errorf("INDELIBLE_API_KEY_FILE: %w", err)
		}
		key = strings.TrimSpace(string(b))
	}
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", usagef(hint, "INDELIBLE_URL is set, and neither INDELIBLE_API_KEY nor INDELIBLE_API_KEY_FILE has an API key")
	}
	return key, nil
}

// do sends a request and decodes the answer into v.
func (r *remote) do(ctx context.Context, method, path string, body []byte, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	req.Header.Set("User-Agent", "indelible/"+version)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return failf(exitFailure, "run the same command again when it does; INDELIBLE_URL names it", "the server at %s does not answer: %w", r.url, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRemoteAnswer+1))
	switch {
	case err != nil:
		return failf(exitFailure, "run the same command again", "the answer of the server at %s was cut off: %w", r.url, err)
	case len(text) > maxRemoteAnswer:
		return fmt.Errorf("the server at %s answers with more than %d bytes", r.url, maxRemoteAnswer)
	case resp.StatusCode/100 != 2:
		return r.problem(resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return failf(exitFailure, "INDELIBLE_URL is to name an Indelible server of this version", "the answer of the server at %s cannot be read: %w", r.url, err)
	}
	return nil
}

// problem is what an answer that is not 2xx says.
func (r *remote) problem(status int, text []byte) error {
	var p api.Problem
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		return failf(exitFailure, "INDELIBLE_URL is to name an Indelible server", "the server at %s answers with status %d", r.url, status)
	}
	code, hint := exitFailure, p.Hint
	switch p.Code {
	case "unauthorized", "forbidden", "tenant_forbidden":
		hint = "an export needs a key of role exporter for every tenant of the dataset, or for all: `indelible keys api add` makes one where the ledger is"
	case "no_keys":
		code, hint = exitNoLedger, "say --mask redact to write [TYPE] in the place of identities"
	case "rate", "busy", "store_unavailable", "timeout", "internal":
		hint = "run the same command again in a while"
	}
	what := p.Title
	if p.Field != "" {
		what += ": " + p.Field
	}
	if p.Detail != "" {
		what += ": " + p.Detail
	}
	return failf(code, hint, "the server at %s: %s", r.url, what)
}
