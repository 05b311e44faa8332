package stock

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A reader follows the ledger in the order of the movements' ids. Its position is stored in
// Postgres, for all replicas.
type reader struct {
	db   *pgxpool.Pool
	name string
}

// register starts the reader at the ledger's end, unless it has been registered before: behind
// every movement written so far and before every one written from now on.
func (r reader) register(ctx context.Context) error {
	var begun bool
	err := r.db.QueryRow(ctx, `SELECT exists (SELECT FROM ledger_readers WHERE name = $1)`, r.name).Scan(&begun)
	if err != nil || begun {
		return Unavailable("begin to read the ledger", err)
	}
	m, err := r.mark(ctx)
	if err != nil {
		return err
	}
	if settled, err := r.settled(ctx, m); err != nil || !settled {
		return cmp.Or(err, Unavailable("begin to read the ledger", errStillWritten))
	}
	_, err = r.db.Exec(ctx, `
		INSERT INTO ledger_readers (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, r.name, m.id)
	return Unavailable("begin to read the ledger", err)
}

var errStillWritten = errors.New("somebody is still writing what was begun before")

// A mark is the ledger's end at some time: the highest id, and the transactions that were
// writing then. Ids are assigned before COMMIT, so rows below the mark may still appear until
// those transactions have ended.
type mark struct {
	id      int64
	writers []string
}

// Transactions that write movements, and no others, hold this lock on the table: from before
// they take their first id until their rows are visible to all.
const writing = `
	FROM pg_locks
	WHERE locktype = 'relation' AND relation = 'movements'::regclass AND mode = 'RowExclusiveLock'
	  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// mark returns the ledger's current end. The query sees the rows as of its start and reads the
// locks after that: a writer that appears in neither has committed in between, and later
// queries see it.
func (r reader) mark(ctx context.Context) (m mark, err error) {
	var standby bool
	err = r.db.QueryRow(ctx, `
		SELECT (SELECT coalesce(max(id), 0) FROM movements), ARRAY(SELECT DISTINCT virtualtransaction`+writing+`),
			pg_is_in_recovery()`,
	).Scan(&m.id, &m.writers, &standby)
	if err == nil && standby {
		err = errStandby
	}
	return m, Unavailable("find the ledger's end", err)
}

// errStandby: a standby shows no locks of those that write on the primary.
var errStandby = errors.New("a standby answers: see target_session_attrs in DATABASE_URL")

const (
	settleLimit    = time.Second
	settleInterval = 5 * time.Millisecond
)

// settled waits, for settleLimit at most, until no further row can appear below the mark.
// False: a transaction is still writing.
func (r reader) settled(ctx context.Context, m mark) (bool, error) {
	for deadline := time.Now().Add(settleLimit); ; {
		if len(m.writers) == 0 {
			return true, nil
		}
		err := r.db.QueryRow(ctx, `
			SELECT ARRAY(SELECT DISTINCT virtualtransaction`+writing+` AND virtualtransaction = ANY ($1))`,
			m.writers).Scan(&m.writers)
		if err != nil {
			return false, Unavailable("wait for the ledger's writers", err)
		}
		if len(m.writers) > 0 && time.Now().After(deadline) {
			return false, nil
		}
		if len(m.writers) > 0 {
			if err := pause(ctx, settleInterval); err != nil {
				return false, err
			}
		}
	}
}
