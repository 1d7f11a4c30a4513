package seal

import (
	"context"
	"fmt"
	"strings"

	"indelible"
)

// suppressedTable holds the pseudonyms of persons who were erased: tokens, and
// nothing they were made of. It is made when the first is added.
const suppressedTable = `CREATE TABLE IF NOT EXISTS suppressed (tenant BLOB NOT NULL, token TEXT NOT NULL, PRIMARY KEY (tenant, token)) WITHOUT ROWID`

// Suppress puts pseudonyms on the list that later data sets leave out. Adding one
// again changes nothing. They are durable when it returns.
func (k *Keys) Suppress(ctx context.Context, tenant indelible.Ref, tokens []string) (err error) {
	if len(tokens) == 0 {
		return nil
	}
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("suppress pseudonyms: %w", err)
	}
	defer func() {
		if err != nil {
			ignoreDone(tx.Rollback())
		}
	}()
	if _, err = tx.ExecContext(ctx, suppressedTable); err != nil {
		return fmt.Errorf("suppress pseudonyms: %w", err)
	}
	for _, token := range tokens {
		if _, err = tx.ExecContext(ctx, `INSERT OR IGNORE INTO suppressed VALUES (?, ?)`, tenant[:], token); err != nil {
			return fmt.Errorf("suppress pseudonyms: %w", err)
		}
	}
	return tx.Commit()
}

// Suppressed are the pseudonyms of a tenant's persons who were erased.
func (k *Keys) Suppressed(ctx context.Context, tenant indelible.Ref) (map[string]bool, error) {
	tokens := make(map[string]bool)
	rows, err := k.db.QueryContext(ctx, `SELECT token FROM suppressed WHERE tenant = ?`, tenant[:])
	if err != nil && strings.Contains(err.Error(), "no such table") {
		return tokens, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the suppressed pseudonyms: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var token string
		if err := rows.Scan(&token); err != nil {
			return nil, fmt.Errorf("read the suppressed pseudonyms: %w", err)
		}
		tokens[token] = true
	}
	return tokens, rows.Err()
}
