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
	if err := check(&q); err != nil {
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

// check refuses questions that make no sense, and fills in what was not said.
func check(q *runs.Query) error {
	switch {
	case len(q.Tenants) == 0 && !q.AllTenants:
		return runs.Failf(runs.Usage, "name one with --tenant, or say --all-tenants", "no tenant is named")
	case len(q.Tenants) > 0 && q.AllTenants:
		return runs.Failf(runs.Usage, "choose one", "--tenant and --all-tenants exclude each other")
	case q.Limit.Valid && q.Limit.N < 0:
		return runs.Failf(runs.Usage, "give the number of rows to read", "--limit %d", q.Limit.N)
	case q.Range != nil && (q.Limit.Valid || q.Since.Valid || q.Until.Valid):
		return runs.Failf(runs.Usage, "a chain reads what is new, all of it", "--limit, --since and --until do not go with a chain")
	}
	for _, t := range q.Tenants {
		if t == "" || t == "*" {
			return runs.Failf(runs.Usage, "name a tenant, or say --all-tenants", "no tenant is called %q", t)
		}
	}
	if q.MaxRow <= 0 {
		q.MaxRow = runs.DefaultMaxRow
	}
	if q.MaxAge <= 0 {
		q.MaxAge = runs.DefaultMaxAge
	}
	if q.Jobs <= 0 {
		q.Jobs = 1
	}
	if len(q.Terminal) == 0 {
		q.Terminal = runs.DefaultTerminal
	}
	return nil
}
