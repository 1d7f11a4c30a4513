// Package postgres opens a jobs database that workers on several machines share.
package postgres

import (
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// connections is how many one process keeps open at most.
const connections = 8

// Open opens the database a connection string names; the password is given
// apart. Nothing is connected yet.
func Open(dsn, password string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("jobs database: the connection cannot be read; write it as host=db.example dbname=jobs user=indelible")
	}
	if password != "" {
		cfg.Password = password
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(2)
	return db, nil
}
