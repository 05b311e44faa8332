package stock

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Answered reports whether the outcome of a failed COMMIT is known: Postgres said that it
// rolled back. A FATAL error says only that the connection ended, possibly right after the
// commit. The driver's SafeToRetry does not help: when the connection ends while it waits for
// the answer, pgx 5.12 returns "conn closed" and calls it safe to retry (NextResult drops the
// error of its peek).
func Answered(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.SeverityUnlocalized == "ERROR"
	}
	return errors.Is(err, pgx.ErrTxCommitRollback)
}

// passing holds the SQLSTATE classes of errors that may pass: connection, login (a password
// that is being changed), rollback (deadlock, serialization), resources, lock timeout, operator
// intervention (shutdown, statement timeout), system. And two codes of a class of permanent
// errors: 25006, a server that is not the primary yet or no longer; 25P03, a transaction that
// was idle for too long, as in a replica that was paused.
var passing = map[string]bool{
	"08": true, "28": true, "40": true, "53": true, "55": true, "57": true, "58": true, "25006": true, "25P03": true,
}

// Unavailable classifies an error of Postgres or Redis: one that may pass is joined with
// ErrUnavailable, one that is a mistake in a statement stays as it is. doing says what was
// attempted.
func Unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !passing[pg.Code[:2]] && !passing[pg.Code] {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, errors.Join(ErrUnavailable, err))
}
