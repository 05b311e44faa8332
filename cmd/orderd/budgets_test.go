package main

import (
	"strings"
	"testing"
	"time"

	"orderd/internal/order"
)

// Each time limit is shorter than the one around it, so that the inner one ends first and its
// error says what was waited for.
func TestBudgets_Nest(t *testing.T) {
	t.Parallel()
	c := defaults(t).Serve
	server := newServer(nil, c.logger(t.Output()))
	for _, row := range []struct {
		inner  string
		waits  time.Duration
		outer  string
		within time.Duration
	}{
		{"a row's lock in Postgres", rowLockTimeout, "a statement", statementTimeout},
		{"a statement", statementTimeout, "COMMIT, as orderd waits for it", order.CommitLimit},
		{"a transaction that stands still", statementTimeout, "the end that Postgres makes of it", idleInTxTimeout},
		{"a new connection to Postgres", connectTimeout, "a request", order.RequestLimit},
		{"the turn, work, Redis and a statement", c.LockWait + c.Work + redisTimeout + statementTimeout, "a request", order.RequestLimit},
		{"a lease's renewal", c.LockTTL / 3, "what a COMMIT is not sent without", c.LockTTL - c.LockMargin},
		{"a request, and its COMMIT in doubt", order.RequestLimit + 2*order.CommitLimit - 1, "the drain", drainLimit},
		{"the drain, with its delay, and the end of connections and traces", c.DrainDelay + drainLimit + closeLimit + flushLimit, "what a container has to stop", 30 * time.Second},
		{"a header's arrival", server.ReadHeaderTimeout, "a whole request's", server.ReadTimeout},
		{"a request and its arrival", server.ReadTimeout + order.RequestLimit + 2*order.CommitLimit, "the time to answer", server.WriteTimeout},
	} {
		if row.waits >= row.within {
			t.Errorf("%s takes up to %s, and %s %s: it has to be less", row.inner, row.waits, row.outer, row.within)
		}
	}
}

// Postgres gets the limits too, so that it enforces them when orderd cannot.
func TestBudgets_AreKeptByPostgres(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	for suffix, want := range map[string]string{
		"": "3s 2s 10s 1.1", "&statement_timeout=7000": "7s 2s 10s 1.1", "&random_page_cost=2": "3s 2s 10s 2",
	} {
		db, err := openDatabase(t.Context(), d.database+suffix, "r1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var got string
		err = db.QueryRow(t.Context(), `SELECT concat_ws(' ', current_setting('statement_timeout'),
			current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
			current_setting('random_page_cost'))`).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%q: statement, row lock, standing still and a page have %q, %v; want %q", suffix, got, err, want)
		}
		if n := db.Config().MaxConns; n != poolSize {
			t.Errorf("%d connections, want %d", n, poolSize)
		}
	}
}

func TestBudgets_ThatCannotNestAreRefused(t *testing.T) {
	t.Parallel()
	servers := []string{"serve", "--database-url", "postgres://127.0.0.1/x", "--redis-url", "redis://127.0.0.1", "--listen", "127.0.0.1:-1"}
	for _, args := range [][]string{{"--lock-wait", "11001ms"}, {"--lock-wait", "6s", "--work", "6s"}, {"--work", "10s"}} {
		if _, err := runHere(t, append(servers, args...)...); err == nil || !strings.Contains(err.Error(), "--lock-wait") || exitCode(err) != 2 {
			t.Errorf("%q = %v, want a usage error that names --lock-wait", args, err)
		}
	}
	// These pass the check, and fail at the invalid port.
	for _, args := range [][]string{{"--lock-wait", "11s"}, {"--lock-wait", "5s", "--work", "6s"}} {
		if _, err := runHere(t, append(servers, args...)...); err == nil || strings.Contains(err.Error(), "--lock-wait") || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%q = %v, want it let through", args, err)
		}
	}
}
