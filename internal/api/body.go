package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"

	"github.com/klauspost/compress/zstd"

	"indelible"
)

const (
	maxBody  = 8 << 20 // as sent and as unpacked
	maxRatio = 200     // of unpacked to sent, beyond the first 64 KiB
)

// readBody reads a body of at most maxBody bytes, unpacked.
func readBody(a *asking) ([]byte, error) {
	sent := &countedReader{r: http.MaxBytesReader(a.w, a.Body, maxBody)}
	var from io.Reader = sent
	switch encoding := a.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(sent)
		if err != nil {
			return nil, bodyError(err)
		}
		from = z
	case "zstd":
		z, err := zstd.NewReader(sent, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxBody), zstd.WithDecoderMaxWindow(maxBody))
		if err != nil {
			return nil, bodyError(err)
		}
		defer z.Close()
		from = z
	default:
		return nil, problem(http.StatusUnsupportedMediaType, "media_type", "a body may be packed with gzip or zstd")
	}
	var b bytes.Buffer
	if n := a.ContentLength; n > 0 && n <= maxBody {
		b.Grow(int(n) + bytes.MinRead)
	}
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		b.Write(piece[:n])
		if b.Len() > maxBody {
			return nil, problem(http.StatusRequestEntityTooLarge, "too_large", "a body has at most 8 MiB, unpacked")
		}
		if b.Len() > smallBody && int64(b.Len()) > maxRatio*sent.n {
			return nil, problem(http.StatusRequestEntityTooLarge, "ratio", "")
		}
		if errors.Is(err, io.EOF) {
			return b.Bytes(), nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
	}
}

// maxOrder is the size of a body that asks for something to be done.
const maxOrder = 256 << 10

// readJSON reads a body of one JSON object whose members are those of v.
func readJSON(a *asking, v any) error {
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	if media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || media != "application/json" || a.Header.Get("Content-Encoding") != "" {
		return problem(http.StatusUnsupportedMediaType, "media_type", "send application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(a.w, a.Body, maxOrder))
	if err != nil {
		return bodyError(err)
	}
	bad := problem(http.StatusBadRequest, "bad_request", "the body is not a JSON object of the members described")
	// The canonical form has each name once, and no depth without end.
	if body, err = indelible.AppendCanonicalJSON(nil, body); err != nil {
		return bad
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad
	}
	return nil
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem(http.StatusRequestTimeout, "timeout", "the body did not come in time")
	}
	return problem(http.StatusBadRequest, "bad_request", "the body cannot be read or unpacked")
}

type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
