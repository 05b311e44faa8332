package wire

import (
	"bufio"
	"bytes"
	"sync"
)

// A Raw proxy knows nothing of the protocol: it only looks for a text in requests.
type Raw struct {
	*Proxy

	mu   sync.Mutex
	text []byte // of the request whose reply is to be held; nil: none
	gate *Gate  // that holds it
}

// NewRaw starts a proxy to the server at that address.
func NewRaw(server string) (*Raw, error) {
	r := &Raw{}
	var err error
	r.Proxy, err = listen(server, chunk, func() tap { return &rawTap{raw: r} })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// LoseReply drops the reply to the next request that contains the text, and closes the
// connection: the server did what it was asked, and the replica cannot know. The channel is
// closed once that has happened.
func (r *Raw) LoseReply(text string) <-chan struct{} {
	g := r.HoldReply(text)
	g.Sever()
	return g.Arrived()
}

// HoldReply returns a gate for the reply to the next request that contains the text: the
// server did what it was asked, and the replica does not know yet.
func (r *Raw) HoldReply(text string) *Gate {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text, r.gate = []byte(text), newGate("request for "+Statement(text), true)
	return r.gate
}

// chunk reads what has arrived: requests and replies are smaller than a chunk.
func chunk(r *bufio.Reader, _, _ bool) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	frame := make([]byte, r.Buffered())
	_, err := r.Read(frame)
	return frame, err
}

type rawTap struct {
	raw *Raw

	mu   sync.Mutex
	held *Gate // for the reply that is held
}

func (t *rawTap) toServer(frame []byte, _ <-chan struct{}) verdict {
	t.raw.mu.Lock()
	defer t.raw.mu.Unlock()
	if t.raw.text != nil && bytes.Contains(frame, t.raw.text) {
		t.raw.text = nil
		t.mu.Lock()
		t.held = t.raw.gate
		t.mu.Unlock()
	}
	return pass
}

func (t *rawTap) toClient(_ []byte, closed <-chan struct{}) verdict {
	t.mu.Lock()
	held := t.held
	t.held = nil
	t.mu.Unlock()
	if held == nil {
		return pass
	}
	return held.hold(closed)
}
