package main

import (
	"encoding/csv"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"time"

	"indelible/internal/history"
)

// eventCSV writes events as a table for a spreadsheet.
type eventCSV struct {
	w     *csv.Writer
	begun bool
}

func newEventCSV(w io.Writer) *eventCSV { return &eventCSV{w: csv.NewWriter(w)} }

var csvColumns = []string{"index", "timestamp", "id", "tenant_id", "user_id", "event_type", "action", "outcome", "resource_type", "resource_id", "source_ip", "user_agent", "audit_hash", "details"}

func (c *eventCSV) header() error {
	if c.begun {
		return nil
	}
	c.begun = true
	return c.w.Write(csvColumns)
}

func (c *eventCSV) add(f *history.Found) error {
	if err := c.header(); err != nil {
		return err
	}
	e, hash := f.Event, f.Event.AuditHash()
	row := []string{strconv.FormatUint(f.Index, 10), e.Timestamp.Format(time.RFC3339Nano), e.ID, e.TenantID, e.UserID, e.EventType, e.Action, e.Outcome,
		e.ResourceType, e.ResourceID, e.SourceIP, e.UserAgent, hex.EncodeToString(hash[:]), string(e.Details)}
	for i, s := range row {
		row[i] = cell(s)
	}
	return c.w.Write(row)
}

// cell keeps a spreadsheet from taking what somebody sent for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (c *eventCSV) flush() error {
	c.w.Flush()
	return c.w.Error()
}

// end writes the header of a table without rows, too.
func (c *eventCSV) end() error {
	if err := c.header(); err != nil {
		return err
	}
	return c.flush()
}
