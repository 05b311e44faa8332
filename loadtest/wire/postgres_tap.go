package wire

import (
	"bytes"
	"sync"
	"time"
)

// pgTap follows one connection to Postgres.
type pgTap struct {
	proxy *Postgres

	mu       sync.Mutex
	started  bool
	locks    bool // a session that holds locks
	prepared map[string]Statement
	bound    Statement // of the unnamed portal, the only one used
	asked    time.Time // when it was bound: a gate may hold it before it is executed
	pending  []*Event  // executed and not yet answered, in order
	reply    *Gate     // holds the answer to COMMIT

	lockReply heldReply // of a session that holds locks
}

func (t *pgTap) toServer(frame []byte, closed <-chan struct{}) verdict {
	t.mu.Lock()
	if !t.started {
		t.started = true
		t.locks = bytes.Contains(frame, []byte(lockSession))
		t.mu.Unlock()
		return pass
	}
	t.mu.Unlock()
	if t.locks {
		t.proxy.lockReplies.requested(frame, &t.lockReply)
		return t.proxy.lockSessions.wait(closed)
	}
	statement, asked, runs := t.follow(frame)
	if statement == Other && !runs {
		return pass
	}
	var e *Event
	if runs {
		e = t.proxy.note(statement, asked)
	}
	if g := t.proxy.gateFor(statement, false); g != nil {
		if v := g.hold(closed); v != pass {
			return v
		}
	}
	if runs {
		t.proxy.sent(e)
		t.mu.Lock()
		t.pending = append(t.pending, e)
		t.reply = t.proxy.gateFor(statement, true)
		t.mu.Unlock()
	}
	return pass
}

// follow returns the statement that a message is about, when the replica sent it, and whether
// the message executes it.
func (t *pgTap) follow(frame []byte) (statement Statement, asked time.Time, runs bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	body := frame[5:]
	switch frame[0] {
	case 'Q':
		sql, _ := text(body)
		t.asked = time.Now()
		return statementOf(sql), t.asked, true
	case 'P':
		name, rest := text(body)
		sql, _ := text(rest)
		t.prepared[name] = statementOf(sql)
		return Other, t.asked, false // pgx prepares in advance; it counts when it is bound
	case 'B':
		_, rest := text(body)
		name, _ := text(rest)
		t.bound, t.asked = t.prepared[name], time.Now()
		return t.bound, t.asked, false
	case 'E':
		return t.bound, t.asked, true
	}
	return Other, t.asked, false
}

func (t *pgTap) toClient(frame []byte, closed <-chan struct{}) verdict {
	if t.isLock() {
		if g := t.lockReply.take(); g != nil {
			return g.hold(closed)
		}
		return t.proxy.lockSessions.wait(closed)
	}
	switch frame[0] {
	case 'C':
		tag, _ := text(frame[5:])
		g := t.answered(tag)
		if g != nil {
			return g.hold(closed)
		}
	case 'E':
		t.answered(sqlState(frame[5:]))
	case 'Z':
		t.mu.Lock()
		// Statements that were skipped after an error are never answered.
		t.pending = nil
		t.mu.Unlock()
	}
	return pass
}

// answered records the answer to the oldest statement, and returns the gate that is to hold
// it, if any.
func (t *pgTap) answered(tag string) *Gate {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) == 0 {
		return nil
	}
	e := t.pending[0]
	t.pending = t.pending[1:]
	t.proxy.answer(e, tag)
	g := t.reply
	t.reply = nil
	return g
}

func (t *pgTap) isLock() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.locks
}

func (p *Postgres) note(s Statement, asked time.Time) *Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &Event{Statement: s, Asked: asked}
	p.events = append(p.events, e)
	return e
}

func (p *Postgres) sent(e *Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Sent = time.Now()
}

func (p *Postgres) answer(e *Event, tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Done, e.Tag = time.Now(), tag
}

// sqlState returns the SQLSTATE from the fields of an error.
func sqlState(fields []byte) string {
	for len(fields) > 1 {
		kind := fields[0]
		value, rest := text(fields[1:])
		if kind == 'C' {
			return value
		}
		fields = rest
	}
	return ""
}
