package vault

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
	"regexp"
	"strings"
	"time"

	"indelible/internal/disk"
	"indelible/internal/seal"
)

var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$`)

func (c *Config) check() error {
	if c.Mount == "" {
		c.Mount = "transit"
	}
	for part := range strings.SplitSeq(c.Mount, "/") {
		if !name.MatchString(part) {
			return fmt.Errorf("mount %q: want a path such as transit", c.Mount)
		}
	}
	if !name.MatchString(c.Key) {
		return fmt.Errorf("key %q: want the name of a transit key", c.Key)
	}
	if c.Token == nil {
		return errors.New("no token: set VAULT_TOKEN, or VAULT_TOKEN_FILE to a file that holds one")
	}
	// What cannot be parsed is not repeated: it may hold a password.
	u, err := url.Parse(c.Address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return errors.New("address: want https://host or https://host:port and nothing else")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && !c.Insecure && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address http://%s: without TLS anybody on the way can read keys; use https", u.Host)
	}
	c.Address = strings.TrimSuffix(c.Address, "/")
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			// A redirect would carry the token to a place nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return nil
}

// TokenFromFile reads the token from a file at every call, as agents renew it.
// A file others can read is refused.
func TokenFromFile(path string) func() (string, error) {
	return func() (string, error) {
		if err := disk.CheckPrivate(path); err != nil {
			return "", err
		}
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, 8<<10))
		return strings.TrimSpace(string(b)), err
	}
}

const maxAnswer = 1 << 20

// call makes one request and reads the data of its answer into out.
func (k *Key) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, k.cfg.Address+"/v1/"+k.cfg.Mount+"/"+path, body)
	if err != nil {
		return err
	}
	token, err := k.cfg.Token()
	if err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return fmt.Errorf("%w: the token is empty or more than a line", seal.ErrDenied)
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	if k.cfg.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", k.cfg.Namespace)
	}
	resp, err := k.cfg.HTTPClient.Do(req)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", seal.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: %w", seal.ErrUnavailable, err)
	}
	if resp.StatusCode/100 != 2 {
		return k.refused(resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	answer := struct{ Data any }{out}
	if err := json.Unmarshal(b, &answer); err != nil {
		return errors.New("the answer is not what the API of Vault says")
	}
	return nil
}

// refused turns an answer into its cause. Vault tells causes in words only.
func (k *Key) refused(status int, b []byte) error {
	var answer struct{ Errors []string }
	json.Unmarshal(b, &answer)
	words := strings.Join(answer.Errors, "; ")
	if len(words) > 200 {
		words = words[:200]
	}
	cause := seal.ErrDenied
	switch {
	case status == http.StatusNotFound, strings.Contains(words, "encryption key not found"), strings.Contains(words, "no existing key named"), strings.Contains(words, "could not delete key; not found"):
		cause = seal.ErrUnknownKey
	case status == http.StatusTooManyRequests, status >= 500 && !strings.Contains(words, "permission denied"), status == 472, status == 473:
		cause = seal.ErrUnavailable
	}
	return fmt.Errorf("%w: key %s/%s: status %d: %q", cause, k.cfg.Mount, k.cfg.Key, status, words)
}
