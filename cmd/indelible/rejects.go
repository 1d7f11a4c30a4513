package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"indelible"
)

// rejects is the file refused input goes to, one JSON object a line. It is
// made when the first one comes.
type rejects struct {
	dir   string
	name  string // as chosen, or as made up
	first string // of them, for people: where it stands, and the reason
	f     *os.File
	w     *bufio.Writer
}

// reject is a line of the rejects file.
type reject struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
	Raw    string `json:"raw"`
}

func (r *rejects) path() string { return r.name }

func (r *rejects) add(o origin, reason error) error {
	if r.f == nil {
		flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
		if r.name == "" {
			folder := filepath.Join(r.dir, "rejects")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return err
			}
			r.name = filepath.Join(folder, time.Now().UTC().Format("20060102T150405.000000000Z")+".jsonl")
		}
		f, err := os.OpenFile(r.name, flags, 0o600)
		if err != nil {
			return err
		}
		r.f, r.w = f, bufio.NewWriter(f)
		r.first = fmt.Sprintf("%s:%d: %s", visible(o.file), o.number, visible(reason.Error()))
	}
	line := reject{File: o.file, Line: o.number, Reason: reason.Error(), Raw: string(o.raw)}
	var field *indelible.FieldError
	if errors.As(reason, &field) {
		line.Hint = field.Hint
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = r.w.Write(append(b, '\n'))
	return err
}

func (r *rejects) close() error {
	if r.f == nil {
		return nil
	}
	return errors.Join(r.w.Flush(), r.f.Sync(), r.f.Close())
}
