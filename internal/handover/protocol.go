// Package handover lets a process that finds a data directory taken hand its
// events to the process that holds it, over a socket in the directory. Events
// carry their ids, so a batch that has to be sent twice is recorded once.
package handover

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"indelible"
)

// The protocol: the client sends a request and, for `append`, Count lines of
// events (JSON with ids); the server answers with a reply for each event, in
// order, and for `flush` and `order` with one. What an order says is between
// the commands. All are lines of JSON. A connection carries
// any number of requests.
const protocolVersion = 1

// Operations.
const (
	opAppend = "append"
	opFlush  = "flush"
	opOrder  = "order"
)

const (
	maxBatch = 4096
	maxLine  = indelible.MaxInputSize + 4096
)

type request struct {
	Version    int    `json:"version"`
	Op         string `json:"op"`
	Count      int    `json:"count,omitempty"`
	AwaitStore bool   `json:"await_store,omitempty"`
	Import     bool   `json:"import,omitempty"`
	System     bool   `json:"system,omitempty"`

	Order json.RawMessage `json:"order,omitempty"`
}

type reply struct {
	Receipt  *indelible.Receipt    `json:"receipt,omitempty"`
	Field    *indelible.FieldError `json:"field,omitempty"`
	Conflict string                `json:"conflict,omitempty"`
	Error    string                `json:"error,omitempty"` // of the whole request
	Away     string                `json:"away,omitempty"`  // why the store is away
	Result   json.RawMessage       `json:"result,omitempty"`
}

// socketPath is where the holder listens.
func socketPath(dir string) string { return filepath.Join(dir, "writer.sock") }

func writeLine(w *bufio.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Write(b)
	return w.WriteByte('\n')
}

// readLine reads one line of at most maxLine bytes.
func readLine(r *bufio.Reader, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		part, err := r.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case err == nil:
			return buf[:len(buf)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(buf) > maxLine:
			return nil, fmt.Errorf("line of more than %d bytes", maxLine)
		}
	}
}
