package wire

import (
	"bufio"
	"bytes"
	"sync"
)

// A Raw proxy knows nothing of the protocol but where some text occurs.
type Raw struct {
	*Proxy

	mu    sync.Mutex
	armed []byte        // the request whose reply is to be lost
	lost  chan struct{} // closed when it was
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

// LoseReply has the reply to the next request that contains the text lost, and
// the connection with it: the server did what it was asked, and the replica
// cannot know. The channel is closed once it happened.
func (r *Raw) LoseReply(text string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed, r.lost = []byte(text), make(chan struct{})
	return r.lost
}

// chunk reads what is there: requests and replies are smaller than a chunk.
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

	mu     sync.Mutex
	doomed chan struct{} // to be closed with the reply that is lost
}

func (t *rawTap) toServer(frame []byte, _ <-chan struct{}) verdict {
	t.raw.mu.Lock()
	defer t.raw.mu.Unlock()
	if t.raw.armed != nil && bytes.Contains(frame, t.raw.armed) {
		t.raw.armed = nil
		t.mu.Lock()
		t.doomed = t.raw.lost
		t.mu.Unlock()
	}
	return pass
}

func (t *rawTap) toClient([]byte, <-chan struct{}) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doomed == nil {
		return pass
	}
	close(t.doomed)
	t.doomed = nil
	return sever
}
