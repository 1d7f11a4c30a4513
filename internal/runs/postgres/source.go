package postgres

import (
	"context"
	"os"

	"github.com/jackc/pgx/v5/pgconn"

	"indelible/internal/runs"
)

// Source is a PostgreSQL database that holds workflow_runs.
type Source struct {
	config *pgconn.Config
	notes  []string
}

// New reads a configuration. It does not connect.
func New(c Config) (*Source, error) {
	parsed, err := c.parse(os.Getenv)
	if err != nil {
		return nil, err
	}
	s := &Source{config: parsed}
	if !allLocal(parsed) && !verifiesServer(parsed) {
		s.notes = append(s.notes, "the connection is not verified: sslmode was chosen so")
	}
	return s, nil
}

// Close has nothing to give up: connections belong to snapshots.
func (s *Source) Close() error { return nil }

// verifiesServer says whether every way to connect checks whom it talks to.
func verifiesServer(c *pgconn.Config) bool {
	ok := c.TLSConfig != nil && (!c.TLSConfig.InsecureSkipVerify || c.TLSConfig.VerifyPeerCertificate != nil || c.TLSConfig.VerifyConnection != nil)
	for _, f := range c.Fallbacks {
		ok = ok && f.TLSConfig != nil
	}
	return ok
}

// Open takes a snapshot.
func (s *Source) Open(ctx context.Context, q runs.Query) (runs.Snapshot, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	c, err := connect(ctx, s.config, q.MaxRow)
	if err != nil {
		return nil, err
	}
	snap, err := open(ctx, s, c, q)
	if err != nil {
		c.close()
		return nil, explain(ctx, "read from PostgreSQL", err)
	}
	return snap, nil
}
