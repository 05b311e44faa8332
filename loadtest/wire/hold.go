package wire

import (
	"bytes"
	"sync"
)

// A freezer holds frames back while it is frozen.
type freezer struct {
	mu     sync.Mutex
	frozen chan struct{} // closed when frames go on; nil while they do
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen == nil {
		f.frozen = make(chan struct{})
	}
}

func (f *freezer) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen != nil {
		close(f.frozen)
		f.frozen = nil
	}
}

// wait waits until frames may go on, or the connection is closed.
func (f *freezer) wait(closed <-chan struct{}) verdict {
	f.mu.Lock()
	frozen := f.frozen
	f.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-closed:
			return sever
		}
	}
	return pass
}

// A replyHold is for the reply to the next request, on whatever connection, that contains a text.
type replyHold struct {
	mu   sync.Mutex
	text []byte // nil: none
	gate *Gate
}

// hold returns the gate for the reply to the next request with the text.
func (h *replyHold) hold(text string) *Gate {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text, h.gate = []byte(text), newGate("request for "+Statement(text), true)
	return h.gate
}

// lose drops that reply and its connection. The channel is closed once that has happened.
func (h *replyHold) lose(text string) <-chan struct{} {
	g := h.hold(text)
	g.Sever()
	return g.Arrived()
}

// requested notes, in the request's connection, that its reply is to be held, if it is.
func (h *replyHold) requested(frame []byte, of *heldReply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.text != nil && bytes.Contains(frame, h.text) {
		h.text = nil
		of.mu.Lock()
		defer of.mu.Unlock()
		of.gate = h.gate
	}
}

// A heldReply is the gate for a connection's next reply, if that is to be held.
type heldReply struct {
	mu   sync.Mutex
	gate *Gate
}

// take removes and returns the gate, nil if there is none.
func (r *heldReply) take() *Gate {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := r.gate
	r.gate = nil
	return gate
}
