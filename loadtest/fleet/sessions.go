package fleet

import (
	"context"
	"fmt"
)

// value asks the database for a single value.
func value[T any](ctx context.Context, f *Fleet, doing, sql string, args ...any) (v T, err error) {
	if err := f.db.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		return v, fmt.Errorf("%s: %w", doing, err)
	}
	return v, nil
}

// Blocked reports whether a transaction of the replica with this id waits for a row that
// another one has locked.
func (f *Fleet) Blocked(ctx context.Context, id string) (bool, error) {
	return value[bool](ctx, f, "ask who waits for a row", `
		SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1 AND wait_event_type = 'Lock')`,
		"orderd "+id)
}

// Written reports whether a transaction of the replica with this id has written and waits for its next statement: its rows are locked.
func (f *Fleet) Written(ctx context.Context, id string) (bool, error) {
	return value[bool](ctx, f, "ask who has written", `
		SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1
				AND backend_xid IS NOT NULL AND wait_event = 'ClientRead')`,
		"orderd "+id)
}

// EndLockSessions has Postgres terminate the connections on which the replica with this
// id holds advisory locks, and returns how many there were.
func (f *Fleet) EndLockSessions(ctx context.Context, id string) (int, error) {
	return value[int](ctx, f, "end the lock's connections", `
		SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a
		WHERE datname = current_database() AND application_name LIKE $1
			AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)`,
		"orderd lock "+id+"%")
}

// Connections is how many connections to the database the replica with this id has.
func (f *Fleet) Connections(ctx context.Context, id string) (int, error) {
	return value[int](ctx, f, "count the connections", `
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name ~ ('^orderd (lock )?' || $1 || '( |$)')`,
		id)
}

// Held is how many orders have the status held in the database, even if their time is over.
func (f *Fleet) Held(ctx context.Context) (int, error) {
	return value[int](ctx, f, "count the held orders", `SELECT count(*) FROM orders WHERE status = 'held'`)
}
