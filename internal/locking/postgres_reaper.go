package locking

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pgGraves are sessions that this side has given up. What they hold is free only once they
// have ended on the server as well, and that is not left to chance: a request that is still
// on its way may reach them, and a waiting session does not notice that its client is gone.
type pgGraves struct {
	mu      sync.Mutex
	doubted map[pgName]time.Time // each with the time by which it has ended by itself
	digging bool
}

type pgName struct {
	pid   int32
	began int64
}

// bury closes a session that nobody uses but that may hold something, and has the server end
// it in the background. Once the workers are closed and idle it only closes it.
func (p *Postgres) bury(s *pgSession, err error) {
	s.kill()
	p.workers.run(func() { p.discard(s) })
	if pgEnded(err) {
		return
	}
	g := &p.graves
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.doubted == nil {
		g.doubted = make(map[pgName]time.Time)
	}
	g.doubted[pgName{s.pid, s.began}] = time.Now().Add(p.slice + p.ttl + p.call)
	if !g.digging {
		g.digging = p.workers.run(p.reap)
	}
}

// reap has the server end the doubted sessions. It retries until the server says that they
// are gone, or they have ended by themselves.
func (p *Postgres) reap() {
	for wait := p.call / 8; ; wait = min(2*wait, p.call) {
		closing := p.workers.life.Err() != nil
		_ = p.endDoubted() // retried
		if p.reaped(closing) {
			return
		}
		pause(p.workers.life, wait)
	}
}

// reaped drops the sessions that have ended by themselves, when closing all of them, and
// reports whether none is left.
func (p *Postgres) reaped(closing bool) bool {
	g := &p.graves
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, over := range g.doubted {
		if closing || time.Now().After(over) {
			delete(g.doubted, name)
		}
	}
	g.digging = len(g.doubted) > 0
	return !g.digging
}

// endDoubted asks the server to end the doubted sessions, and forgets those that have ended.
// It does so on a new connection: the existing ones may be no better than those in doubt.
func (p *Postgres) endDoubted() error {
	var (
		pids []int32
		ages []int64
	)
	p.graves.mu.Lock()
	for name := range p.graves.doubted {
		pids, ages = append(pids, name.pid), append(ages, name.began)
	}
	p.graves.mu.Unlock()

	s, err := p.connect(context.Background())
	if err != nil {
		return err
	}
	defer p.discard(s)
	left, err := p.end(s, pids, ages)
	if err != nil {
		return err
	}
	p.graves.mu.Lock()
	defer p.graves.mu.Unlock()
	for i, pid := range pids {
		if !left[pid] {
			delete(p.graves.doubted, pgName{pid, ages[i]})
		}
	}
	return nil
}

// end asks the server to end sessions, and returns those that were still there.
func (p *Postgres) end(s *pgSession, pids []int32, ages []int64) (map[int32]bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.call)
	defer cancel()
	rows, err := s.conn.Query(ctx, pgEnd, pids, ages)
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	defer rows.Close()
	left := make(map[int32]bool)
	for rows.Next() {
		var pid int32
		var signalled bool
		if err := rows.Scan(&pid, &signalled); err != nil {
			return nil, fmt.Errorf("end sessions: %w", err)
		}
		left[pid] = true
	}
	return left, rows.Err()
}
