// Package postgres reads workflow runs from PostgreSQL 14 and newer, and
// prepares its table for that.
package postgres

import (
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"indelible/internal/runs"
)

// Config says how to reach a database.
type Config struct {
	// DSN is a URL or a list of key=value, as libpq takes them. What it leaves
	// out comes from the PG… variables, the service file and ~/.pgpass.
	DSN string
	// Password is used when the DSN has none.
	Password string
	// Application is shown by the database as who is connected; empty is
	// indelible.
	Application string
}

const connectTimeout = 15 * time.Second

// parse reads a Config. Nothing of the DSN is in the error: it may hold a
// password.
func (c Config) parse(env func(string) string) (*pgconn.Config, error) {
	parsed, err := pgconn.ParseConfig(c.DSN)
	if err != nil {
		return nil, runs.Failf(runs.Usage, "write it as postgres://user@host:5432/database or as host=… dbname=… user=…", "the connection to PostgreSQL cannot be read (its text is not shown, it may hold a password)")
	}
	if !saysHowToEncrypt(c.DSN, env) && !allLocal(parsed) {
		if parsed, err = pgconn.ParseConfig(verified(c.DSN)); err != nil {
			return nil, runs.Failf(runs.Usage, "give sslmode and sslrootcert in the connection", "TLS for the connection to PostgreSQL cannot be set up")
		}
	}
	if parsed.Password == "" {
		parsed.Password = c.Password
	}
	if parsed.ConnectTimeout == 0 {
		parsed.ConnectTimeout = connectTimeout
	}
	if c.Application == "" {
		c.Application = "indelible"
	}
	// Poolers refuse other parameters at the start of a connection; the rest is
	// set in the transaction.
	parsed.RuntimeParams["application_name"] = c.Application
	return parsed, nil
}

var sslmodeKey = regexp.MustCompile(`(?i)(^|\s)sslmode\s*=`)

// saysHowToEncrypt says whether somebody chose an sslmode.
func saysHowToEncrypt(dsn string, env func(string) string) bool {
	if env("PGSSLMODE") != "" || env("PGSERVICE") != "" {
		return true
	}
	if isURL(dsn) {
		u, err := url.Parse(dsn)
		return err == nil && (u.Query().Has("sslmode") || u.Query().Has("ssl") || u.Query().Has("service"))
	}
	return sslmodeKey.MatchString(dsn) || regexp.MustCompile(`(^|\s)service\s*=`).MatchString(dsn)
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// verified asks for TLS with a certificate that names the host.
func verified(dsn string) string {
	if !isURL(dsn) {
		return dsn + " sslmode=verify-full"
	}
	if strings.Contains(dsn, "?") {
		return dsn + "&sslmode=verify-full"
	}
	return dsn + "?sslmode=verify-full"
}

func allLocal(c *pgconn.Config) bool {
	local := isLocal(c.Host)
	for _, f := range c.Fallbacks {
		local = local && isLocal(f.Host)
	}
	return local
}

// isLocal says whether a host is this machine: a socket's directory or a
// loopback address.
func isLocal(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

var passwordKey = regexp.MustCompile(`(?i)(^|\s)password\s*=`)

// HasPassword says whether a password stands in a DSN itself.
func HasPassword(dsn string) bool {
	if !isURL(dsn) {
		return passwordKey.MatchString(dsn)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return true // it cannot be told, and is refused elsewhere
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password")
}
