package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"indelible/internal/runs"
)

// conn is one connection.
type conn struct {
	pg     *pgconn.PgConn
	tenant string // whom the policy shows, * for all; empty before anybody was named
}

// bodySlack is what a message may hold besides a row's values.
const bodySlack = 1 << 20

func connect(ctx context.Context, config *pgconn.Config, maxRow int64) (*conn, error) {
	config = config.Copy()
	if maxRow > 0 {
		// What is larger is refused before there is memory for it.
		config.MaxProtocolMessageBodyLen = int(min(maxRow, 1<<30)) + bodySlack
	}
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explain(ctx, "connect to PostgreSQL", err)
	}
	return &conn{pg: pg}, nil
}

// close ends the connection, politely if the server listens.
func (c *conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.pg.Close(ctx)
}

// query runs a statement and gives its rows as text; NULL is empty.
func (c *conn) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	r := c.pg.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if r.Err != nil {
		return nil, r.Err
	}
	rows := make([][]string, len(r.Rows))
	for i, row := range r.Rows {
		rows[i] = make([]string, len(row))
		for j, v := range row {
			rows[i][j] = string(v)
		}
	}
	return rows, nil
}

// one runs a statement that gives one row.
func (c *conn) one(ctx context.Context, sql string, args ...string) ([]string, error) {
	rows, err := c.query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d rows, not one", len(rows))
	}
	return rows[0], nil
}

// exec runs statements without parameters.
func (c *conn) exec(ctx context.Context, sql string) error {
	_, err := c.pg.Exec(ctx, sql).ReadAll()
	return err
}

// begin starts the transaction everything is read in, on an exported snapshot if
// there is one, which must come before any other statement. Settings are the
// transaction's own, so that a pooler can stand between.
func (c *conn) begin(ctx context.Context, snapshot string, timeout time.Duration, ordered bool) error {
	sql := "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
	if snapshot != "" {
		sql += "SET TRANSACTION SNAPSHOT " + quote(snapshot) + ";"
	}
	settings := []string{
		"synchronize_seqscans", "off", "max_parallel_workers_per_gather", "0", "jit", "off",
		"TimeZone", "UTC", "DateStyle", "ISO", "extra_float_digits", "1", "client_encoding", c.encoding(), "bytea_output", "hex", "row_security", "on",
		"lock_timeout", "10s", "idle_in_transaction_session_timeout", "0",
		"statement_timeout", strconv.FormatInt(timeout.Milliseconds(), 10),
	}
	if major, _, _ := strings.Cut(c.pg.ParameterStatus("server_version"), "."); len(major) == 2 && major >= "17" {
		settings = append(settings, "transaction_timeout", "0")
	}
	if !ordered {
		// Rows come in the order they lie in: nothing may follow an index.
		settings = append(settings, "enable_indexscan", "off", "enable_indexonlyscan", "off")
	}
	for i := 0; i < len(settings); i += 2 {
		sql += "SET LOCAL " + settings[i] + " = " + quote(settings[i+1]) + ";"
	}
	return c.exec(ctx, sql)
}

// encoding is what texts come in: UTF-8, unless the database does not know what
// its own are in. Then they are looked at here, where the row is known.
func (c *conn) encoding() string {
	if c.pg.ParameterStatus("server_encoding") == "SQL_ASCII" {
		return "SQL_ASCII"
	}
	return "UTF8"
}

// quote makes an SQL string of a text that was not chosen by anybody outside;
// all else is bound.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ident quotes a name.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// version is the server's as a number, 150018 for 15.18.
func (c *conn) version(ctx context.Context) (int, error) {
	row, err := c.one(ctx, "SELECT current_setting('server_version_num')")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(row[0])
	if err != nil {
		return 0, err
	}
	if n < 140000 {
		return 0, runs.Failf(runs.Schema, "use PostgreSQL 14 or newer", "the database is PostgreSQL %d", n/10000)
	}
	return n, nil
}
