package wire

import (
	"sync"
)

// A Gate holds the next message about one statement, and with it everything behind it on its
// connection, until Pass or Sever.
type Gate struct {
	statement Statement
	reply     bool // the answer is held, not the request
	arrived   chan struct{}
	decided   chan struct{}
	once      sync.Once
	verdict   verdict
}

// Hold returns a gate for the next such statement. A begin that is held means that the order
// has passed its check and has written nothing; a commit, that everything is written and the
// lease was found to be held.
func (p *Postgres) Hold(s Statement) *Gate { return p.gate(s, false) }

// HoldReply returns a gate for the answer to the next such statement: Postgres has executed
// it and the replica does not know.
func (p *Postgres) HoldReply(s Statement) *Gate { return p.gate(s, true) }

func (p *Postgres) gate(s Statement, reply bool) *Gate {
	g := newGate(s, reply)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gates = append(p.gates, g)
	return g
}

func newGate(s Statement, reply bool) *Gate {
	return &Gate{statement: s, reply: reply, arrived: make(chan struct{}), decided: make(chan struct{})}
}

// gateFor removes and returns the gate for a statement, nil if there is none.
func (p *Postgres) gateFor(s Statement, reply bool) *Gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, g := range p.gates {
		if g.statement == s && g.reply == reply {
			p.gates = append(p.gates[:i:i], p.gates[i+1:]...)
			return g
		}
	}
	return nil
}

// String says what is held.
func (g *Gate) String() string {
	if g.reply {
		return "the answer to its " + string(g.statement)
	}
	return "its " + string(g.statement)
}

// Arrived returns a channel that is closed once the message has arrived.
func (g *Gate) Arrived() <-chan struct{} { return g.arrived }

// Pass lets the message go on.
func (g *Gate) Pass() { g.decide(pass) }

// Sever drops the message and closes its connection.
func (g *Gate) Sever() { g.decide(sever) }

func (g *Gate) decide(v verdict) {
	g.once.Do(func() {
		g.verdict = v
		close(g.decided)
	})
}

func (g *Gate) hold(closed <-chan struct{}) verdict {
	close(g.arrived)
	select {
	case <-g.decided:
		return g.verdict
	case <-closed:
		return sever
	}
}
