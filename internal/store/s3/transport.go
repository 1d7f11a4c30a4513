package s3

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"indelible/internal/store"
)

// transport sends a request, reports its progress to the watch of its context,
// reads the store's clock from the answer, and bounds the answer.
type transport struct {
	client HTTPClient
	clock  *clock
}

// maxAnswer is more than any answer that is taken: the largest object, or a
// page of names.
const maxAnswer = store.MaxObject + 1<<20

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	w, _ := req.Context().Value(watchKey{}).(*watch)
	if w != nil && req.Body != nil && req.Body != http.NoBody {
		watched := *req
		watched.Body = &watchedBody{ReadCloser: req.Body, watch: w}
		req = &watched
	}
	sent := time.Now()
	resp, err := t.client.Do(req)
	if err != nil {
		return resp, err
	}
	t.clock.observe(resp.Header.Get("Date"), sent, time.Now())
	body := io.ReadCloser(&limitedBody{resp.Body, io.LimitReader(resp.Body, maxAnswer)})
	if w != nil {
		w.progress()
		body = &watchedBody{ReadCloser: body, watch: w}
	}
	resp.Body = body
	return resp, nil
}

type limitedBody struct {
	io.Closer
	io.Reader
}

// httpClient takes the proxy from the environment, does not follow redirects,
// which would carry a ledger to a place nobody configured, and leaves the bytes
// as they are.
func (c *Config) httpClient() HTTPClient {
	if c.HTTPClient != nil {
		return c.HTTPClient
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   c.Timeout,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       30 * time.Second,
			MaxIdleConnsPerHost:   64,
			DisableCompression:    true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
