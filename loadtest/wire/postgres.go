package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// A Statement is a kind of SQL statement that orderd sends, as far as schedules and
// judgements need to tell them apart.
type Statement string

// The statements.
const (
	Begin    Statement = "begin"
	Commit   Statement = "commit"
	Rollback Statement = "rollback"
	Place    Statement = "place" // takes one line's units, if the guard allows
	Claim    Statement = "claim" // registers the token, before the check
	// A group's rows are locked and then compared by the replica, or written at once if they
	// are as it saw them before.
	LockGroup  Statement = "lock group"
	PlaceGroup Statement = "place group"
	Other      Statement = ""
)

// statementOf recognises a statement by its text.
func statementOf(sql string) Statement {
	sql = strings.TrimSpace(sql)
	switch {
	case strings.EqualFold(sql, "begin"):
		return Begin
	case strings.EqualFold(sql, "commit"):
		return Commit
	case strings.EqualFold(sql, "rollback"):
		return Rollback
	case strings.Contains(sql, "WITH taken AS"):
		return Place
	case strings.Contains(sql, "SELECT sku, on_hand, version, guard, fence\nFROM stock WHERE sku = ANY"):
		return LockGroup
	case strings.Contains(sql, "WITH placed AS"):
		return PlaceGroup
	case strings.HasPrefix(sql, "UPDATE stock SET fence = $2, updated_at"):
		return Claim
	default:
		return Other
	}
}

// An Event is one statement: when the replica sent it, when the proxy passed it on, and when
// and how Postgres answered. Tag is that of CommandComplete, or the SQLSTATE of an error.
type Event struct {
	Statement Statement
	Asked     time.Time
	Sent      time.Time // zero while a gate holds it
	Done      time.Time // zero while there is no answer
	Tag       string
}

// lockSession begins the application name of a session that holds advisory locks.
const lockSession = "orderd lock "

// Postgres is a proxy that understands the server's protocol, and tells the sessions that
// hold locks from those that place orders.
type Postgres struct {
	*Proxy

	lockSessions freezer
	lockReplies  replyHold

	mu     sync.Mutex
	events []*Event
	gates  []*Gate
}

// NewPostgres starts a proxy to the server at that address.
func NewPostgres(server string) (*Postgres, error) {
	p := &Postgres{}
	var err error
	p.Proxy, err = listen(server, message, func() tap { return &pgTap{proxy: p, prepared: map[string]Statement{}} })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Events returns the statements so far, and keeps them.
func (p *Postgres) Events() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := make([]Event, len(p.events))
	for i, e := range p.events {
		events[i] = *e
	}
	return events
}

// Forget empties the list of events and removes the gates.
func (p *Postgres) Forget() {
	p.mu.Lock()
	gates := p.gates
	p.events, p.gates = nil, nil
	p.mu.Unlock()
	for _, g := range gates {
		g.Pass()
	}
}

// FreezeLocks holds back everything to and from the sessions that hold locks until ThawLocks;
// orders go on.
func (p *Postgres) FreezeLocks() { p.lockSessions.freeze() }

// ThawLocks ends FreezeLocks: what was held back goes on.
func (p *Postgres) ThawLocks() { p.lockSessions.thaw() }

// LoseLockReply drops the reply to the next request of a lock session that contains the text,
// and its connection. The channel is closed once that has happened.
func (p *Postgres) LoseLockReply(text string) <-chan struct{} { return p.lockReplies.lose(text) }

// HoldLockReply returns a gate for the reply to the next request of a lock session that
// contains the text.
func (p *Postgres) HoldLockReply(text string) *Gate { return p.lockReplies.hold(text) }

// message reads one message of the protocol. The client's first has no type byte.
func message(r *bufio.Reader, fromClient, first bool) ([]byte, error) {
	head := 5
	if fromClient && first {
		head = 4
	}
	h, err := r.Peek(head)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(h[head-4:])) + head - 4
	if size < head || size > 64<<20 {
		return nil, errors.New("not a message of Postgres")
	}
	frame := make([]byte, size)
	_, err = io.ReadFull(r, frame)
	return frame, err
}

// text reads a string that ends with a zero byte, and returns what follows it.
func text(b []byte) (s string, rest []byte) {
	s2, rest, _ := bytes.Cut(b, []byte{0})
	return string(s2), rest
}
