package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"indelible/internal/runs"
)

// explain makes what went wrong an error a user can act on. Texts of the
// database are repeated only where they hold no data and no credentials.
func explain(ctx context.Context, doing string, err error) error {
	var known *runs.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &runs.Error{Cause: err}
	out.Code, out.What, out.Hint = classify(err)
	out.What = doing + ": " + out.What
	return out
}

// classify gives the kind of an error, what happened and what to do.
func classify(err error) (code runs.Code, what, hint string) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return classifyServer(pg)
	}
	var connect *pgconn.ConnectError
	connecting := errors.As(err, &connect)
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &dns):
		return runs.Unreachable, "the name of the database host is not known", "check the host in the connection"
	case errors.As(err, &unknown), errors.As(err, &wrongName), errors.As(err, &invalid):
		return runs.Refused, "the certificate of the database cannot be verified", "give sslrootcert with the certificate that signed it; sslmode=require goes without verification, knowingly"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return runs.Refused, "the database does not speak TLS", "turn TLS on there; sslmode=disable goes without, knowingly"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT) && connecting:
		return runs.Unreachable, "nobody answers: the connection is refused", "start the database, or check host and port"
	case connecting && (errors.Is(err, context.DeadlineExceeded) || isTimeout(err)):
		return runs.Unreachable, "nobody answers in time", "check host, port and firewalls"
	case connecting:
		return runs.Unreachable, "the connection cannot be made", "check host, port and that a PostgreSQL answers there"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), isTimeout(err):
		return runs.Lost, "the connection was cut", "run the command again"
	}
	return runs.Lost, "the connection failed", "run the command again"
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

const hintAgain = "run the command again"

func classifyServer(pg *pgconn.PgError) (code runs.Code, what, hint string) {
	said := pg.Message + " (SQLSTATE " + pg.Code + ")"
	switch pg.Code {
	case "28P01", "28000":
		return runs.Refused, "the database refuses the login (SQLSTATE " + pg.Code + ")", "check user and password: POSTGRES_DSN, PGPASSWORD, ~/.pgpass, and pg_hba.conf there"
	case "3D000":
		return runs.Refused, "there is no such database", "check the database name in the connection"
	case "42501":
		return runs.Refused, said, "run `indelible runs migrate` as the owner, or grant SELECT on workflow_runs"
	case "42P01":
		return runs.Schema, said, "the table is called workflow_runs and must be on the search path"
	case "42703", "42883", "42804", "42846":
		return runs.Schema, said, "check the columns of workflow_runs"
	case "57014":
		if strings.Contains(pg.Message, "user request") {
			return runs.Lost, "somebody cancelled the query", hintAgain
		}
		return runs.Timeout, "a statement took longer than it may", "allow it more with --statement-timeout, or read less at a time with --since and --until"
	case "55P03":
		return runs.Timeout, "somebody holds a lock on the table", "wait until the change of the table is over, and try again"
	case "40001", "40P01":
		if strings.Contains(pg.Message, "recovery") {
			return runs.Conflict, "the standby had to remove rows this export still reads (conflict with recovery)", "set hot_standby_feedback or a longer max_standby_streaming_delay there, or export from the primary"
		}
		return runs.Conflict, said, hintAgain
	case "57P01", "57P02", "57P05", "25P03", "25P04", "57P04":
		return runs.Lost, "the database ended the connection: " + said, hintAgain
	case "57P03":
		return runs.Unreachable, "the database is starting or stopping", "try again in a moment"
	case "53300":
		return runs.Unreachable, "the database has no connection left", "try again later, or lower --jobs"
	case "26000", "42P05":
		return runs.Pooler, "a pooler hands every statement to another connection", "connect past the pooler, or let it keep a connection for a transaction"
	case "08P01":
		if strings.Contains(pg.Message, "startup parameter") || strings.Contains(pg.Message, "pool") || strings.Contains(pg.Message, "query_wait_timeout") {
			return runs.Pooler, "a pooler stands between: " + said, "connect past the pooler, or lower --jobs to what it has connections for"
		}
	case "22023":
		if strings.Contains(pg.Message, "snapshot") {
			return runs.Lost, "the snapshot is gone, or a pooler led to another server", "run the command again, past a pooler if there is one"
		}
	case "58P01", "XX000", "XX001", "XX002":
		return runs.Data, "the database cannot read its own data: " + said, "look into the log of the database, and restore what is damaged"
	case "53100", "53200", "53400":
		return runs.Lost, "the database ran out of room: " + said, "free memory or disk there"
	}
	if strings.HasPrefix(pg.Code, "08") && strings.Contains(pg.Message, "pgbouncer") || strings.Contains(pg.Message, "query_wait_timeout") {
		return runs.Pooler, "a pooler stands between: " + said, "connect past the pooler, or lower --jobs to what it has connections for"
	}
	if strings.HasPrefix(pg.Code, "22") {
		// What could not be read may be part of the message.
		return runs.Data, "the database cannot convert a value (SQLSTATE " + pg.Code + ")", "look for it with the same condition in psql"
	}
	return runs.Lost, said, "look into the log of the database"
}
