package fleet

import (
	"context"
	"fmt"
)

// Blocked reports whether a transaction of the nth replica, counted from 1, waits for a row
// that another one has locked.
func (f *Fleet) Blocked(ctx context.Context, n int) (bool, error) {
	var blocked bool
	err := f.db.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1 AND wait_event_type = 'Lock')`,
		fmt.Sprintf("orderd r%d", n)).Scan(&blocked)
	if err != nil {
		return false, fmt.Errorf("ask who waits for a row: %w", err)
	}
	return blocked, nil
}

// Written reports whether a transaction of the nth replica, counted from 1, has written and
// waits for its next statement: its rows are locked.
func (f *Fleet) Written(ctx context.Context, n int) (bool, error) {
	var written bool
	err := f.db.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1
				AND backend_xid IS NOT NULL AND wait_event = 'ClientRead')`,
		fmt.Sprintf("orderd r%d", n)).Scan(&written)
	if err != nil {
		return false, fmt.Errorf("ask who has written: %w", err)
	}
	return written, nil
}

// EndLockSessions has Postgres terminate the connections on which the nth replica, counted
// from 1, holds advisory locks, and returns how many there were.
func (f *Fleet) EndLockSessions(ctx context.Context, n int) (int, error) {
	var ended int
	err := f.db.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a
		WHERE datname = current_database() AND application_name LIKE $1
			AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)`,
		fmt.Sprintf("orderd lock r%d%%", n)).Scan(&ended)
	if err != nil {
		return 0, fmt.Errorf("end the lock's connections: %w", err)
	}
	return ended, nil
}
