package locking

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inspect implements Inspector. Owner is the replica's name, as far as it fits into that of a
// session, the session's number, and the lease's token, which is missing while its acquire
// still waits for others of its keys. Until assumes that the holder has this locker's TTL.
func (p *Postgres) Inspect(ctx context.Context, key string) (Status, error) {
	var (
		st      Status
		name    string
		pid     int32
		granted bool
		left    int64
		waiters int
	)
	asked := time.Now()
	err := p.aside(ctx, p.call, func(ctx context.Context, s *pgSession) error {
		err := s.conn.QueryRow(ctx, p.sql.inspect, key, p.ttl.Milliseconds()).
			Scan(&name, &pid, &granted, &left, &waiters)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || pid == 0 {
		return Status{}, err
	}
	st.Waiters = waiters
	if !granted {
		return st, nil
	}
	st.Owner, st.Token, st.Since = parsePGName(name)
	st.Owner += ":" + strconv.Itoa(int(pid)) + ":"
	if st.Token != 0 {
		st.Owner += strconv.FormatInt(st.Token, 10)
	}
	st.Until = asked.Add(time.Duration(left) * time.Millisecond)
	return st, nil
}

// parsePGName reads a session's name, "orderd lock owner #token time". The token and the time
// are there once the session's lease holds all its keys.
func parsePGName(name string) (owner string, token int64, since time.Time) {
	owner, ours := strings.CutPrefix(name, pgNamePrefix)
	rest, hex, _ := cutLast(owner, " ")
	before, digits, _ := cutLast(rest, " #")
	milli, err := strconv.ParseInt(hex, 16, 64)
	token, err2 := strconv.ParseInt(digits, 10, 64)
	if !ours || errors.Join(err, err2) != nil {
		return owner, 0, time.Time{}
	}
	return before, token, time.UnixMilli(milli)
}

// NextToken implements Evictor.
func (p *Postgres) NextToken(ctx context.Context, _ string) (token int64, err error) {
	err = p.aside(ctx, p.call, func(ctx context.Context, s *pgSession) error {
		return s.conn.QueryRow(ctx, "SELECT nextval('orderd_lock_token')").Scan(&token)
	})
	return token, err
}

// evictLimit bounds an eviction. No lease depends on it.
const evictLimit = 4 * time.Second

// Evict implements Evictor. It ends the session that holds the key, and with it the whole
// lease, but not that of an acquire that still waits for others of its keys: its lease is yet
// to come. Should the session pass to another lease in the very moment between look and end,
// that one is ended, and notices it.
func (p *Postgres) Evict(ctx context.Context, key, owner string) (bool, error) {
	_, token, _ := cutLast(owner, ":")
	var found, ended bool
	err := p.aside(ctx, evictLimit, func(ctx context.Context, s *pgSession) error {
		return s.conn.QueryRow(ctx, p.sql.evict, key, token, (evictLimit/2).Milliseconds()).
			Scan(&found, &ended)
	})
	if err == nil && !ended {
		err = fmt.Errorf("%w: the holder was told to end, and has not yet", ErrUnavailable)
	}
	return found && ended, err
}

// aside runs f with a session that no lease uses, within the limit. Its error is
// ErrUnavailable, joined with its cause.
func (p *Postgres) aside(
	ctx context.Context, limit time.Duration, f func(context.Context, *pgSession) error,
) error {
	if !p.workers.join() {
		return errors.Join(ErrUnavailable, errClosed)
	}
	defer p.workers.leave()
	err := p.asideOn(ctx, p.pool.pop(), limit, f)
	if pgDropped(err) && ctx.Err() == nil {
		// A server that was restarted leaves dead connections behind.
		err = p.asideOn(ctx, nil, limit, f)
	}
	if err != nil {
		return errors.Join(ErrUnavailable, fmt.Errorf("lock postgres: %w", err))
	}
	return nil
}

func (p *Postgres) asideOn(
	ctx context.Context, s *pgSession, limit time.Duration, f func(context.Context, *pgSession) error,
) (err error) {
	if s == nil {
		if s, err = p.connect(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = f(ctx, s)
	p.note(err)
	if pgAnswered(err) {
		p.pool.keepSpare(s)
	} else {
		p.workers.run(func() { p.discard(s) }) // takes its time if the server hangs
	}
	return err
}
