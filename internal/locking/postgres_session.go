package locking

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A pgSession is one connection and the server's session at its other end. Only one goroutine
// at a time may use it, except for kill and cancel.
type pgSession struct {
	conn  *pgx.Conn
	pid   int32
	began int64     // the session's start in microseconds: with the pid it is unique
	spare time.Time // when it was last used
}

// configure sets the parameters that every session has.
func (p *Postgres) configure() {
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	set := p.config.RuntimeParams
	set["application_name"] = p.name
	// The server's side of the lease: it ends a session that is idle for the TTL.
	set["idle_session_timeout"] = milliseconds(p.ttl)
	// A session that waits is not idle. Its wait ends by itself, so that a dead waiter leaves
	// the queue, and a live one can tell a long wait from a dead server.
	set["lock_timeout"] = milliseconds(p.slice)
	set["statement_timeout"] = "0"

	// This also bounds the cancel requests that the library sends of its own accord when a
	// connection breaks: it gives them 15 s.
	dial := (&net.Dialer{}).DialContext
	p.config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connectLimit)
		defer cancel()
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		deadline, _ := ctx.Deadline()
		return conn, conn.SetDeadline(deadline)
	}
}

// connect opens a session.
func (p *Postgres) connect(ctx context.Context) (*pgSession, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.config.Copy())
	p.note(err)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &pgSession{conn: conn}
	var idle int64
	err = conn.QueryRow(ctx, pgWho).Scan(&s.pid, &s.began, &idle)
	if err == nil && (uint32(s.pid) != conn.PgConn().PID() || idle != p.ttl.Milliseconds()) { //nolint:gosec // as it came
		err = errors.New("the session is not ours alone: connect to the server, not to a pooler")
	}
	if err == nil {
		err = conn.PgConn().Conn().SetDeadline(time.Time{})
	}
	if err != nil {
		p.discard(s)
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return s, nil
}

// note records whether the server answers.
func (p *Postgres) note(err error) {
	_, refused := errors.AsType[*pgconn.PgError](err)
	p.answers.Store(err == nil || refused)
}

// query runs a statement that returns one row. After an error that is not the server's answer
// the session is unusable.
func (p *Postgres) query(s *pgSession, limit time.Duration, sql string, args []any, row ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := s.conn.QueryRow(ctx, sql, args...).Scan(row...)
	p.note(err)
	return err
}

// listen returns an error if the session ends before ctx does. Nothing else is
// expected from a server that has not been asked.
func (s *pgSession) listen(ctx context.Context) error {
	err := s.conn.PgConn().WaitForNotification(ctx)
	if ctx.Err() != nil && !s.conn.IsClosed() {
		return nil
	}
	return err
}

// cancel asks the server to cancel the session's statement, which may not have ended yet when
// this returns.
func (s *pgSession) cancel(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_ = s.conn.PgConn().CancelRequest(ctx) // the statement's own answer shows whether it was cancelled
}

// kill closes the connection, whatever is going on there.
func (s *pgSession) kill() { _ = s.conn.PgConn().Conn().Close() }

// discard closes a session that nobody uses and that holds nothing.
func (p *Postgres) discard(s *pgSession) {
	ctx, cancel := context.WithTimeout(context.Background(), p.call)
	defer cancel()
	_ = s.conn.Close(ctx) // politely, unless it is broken
	s.kill()
	// The library may still be cancelling what was under way.
	<-s.conn.PgConn().CleanupDone()
}

// pgAnswered reports whether err is an answer of the server, refusals included, and not
// silence or the end of the session.
func pgAnswered(err error) bool {
	e, refused := errors.AsType[*pgconn.PgError](err)
	return err == nil || refused && e.SeverityUnlocalized != "FATAL"
}

// pgEnded reports whether the server has ended the session.
func pgEnded(err error) bool {
	e, refused := errors.AsType[*pgconn.PgError](err)
	return refused && e.SeverityUnlocalized == "FATAL"
}

// pgDropped reports whether err is the loss of a connection that had been good.
func pgDropped(err error) bool {
	return !pgAnswered(err) && !pgconn.Timeout(err)
}

// SQLSTATE codes of the server's answers.
const (
	pgTimedOut = "55P03" // a wait that reached lock_timeout
	pgCanceled = "57014"
	pgDeadlock = "40P01"
)

func pgCode(err error) string {
	if e, refused := errors.AsType[*pgconn.PgError](err); refused {
		return e.Code
	}
	return ""
}
