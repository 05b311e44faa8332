package locking

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pgGraves are sessions that are over for this side. What they hold is free
// once they are for the server, too, which is not left to chance: a request
// that is still on its way may reach them, and a wait does not see that its
// client has gone.
type pgGraves struct {
	mu      sync.Mutex
	doubted map[pgName]time.Time // each with the time when it has ended by itself
	digging bool
}

type pgName struct {
	pid   int32
	began int64
}

// bury closes a session that nobody uses but that may hold something, and sees
// to its end in the background. The caller is one of the workers.
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

// reap ends the doubted sessions, and goes on until the server says that they
// are gone, or they are by themselves.
func (p *Postgres) reap() {
	for wait := p.call / 8; ; wait = min(2*wait, p.call) {
		closing := p.workers.life.Err() != nil
		_ = p.endDoubted() // asked again
		if p.reaped(closing) {
			return
		}
		pause(p.workers.life, wait)
	}
}

// reaped reports whether there is nobody left to end, or no time.
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

// endDoubted asks the server to end the doubted sessions, and forgets those
// that have ended. It does so on a connection of its own: those that there are
// may be no better than the ones in doubt.
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

// end returns the sessions that were still there.
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
