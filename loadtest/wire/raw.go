package wire

import "bufio"

// A Raw proxy knows nothing of the protocol: it only looks for a text in requests.
type Raw struct {
	*Proxy
	replies replyHold
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
func (r *Raw) LoseReply(text string) <-chan struct{} { return r.replies.lose(text) }

// HoldReply returns a gate for the reply to the next request that contains the text: the
// server did what it was asked, and the replica does not know yet.
func (r *Raw) HoldReply(text string) *Gate { return r.replies.hold(text) }

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
	raw   *Raw
	reply heldReply
}

func (t *rawTap) toServer(frame []byte, _ <-chan struct{}) verdict {
	t.raw.replies.requested(frame, &t.reply)
	return pass
}

func (t *rawTap) toClient(_ []byte, closed <-chan struct{}) verdict {
	if gate := t.reply.take(); gate != nil {
		return gate.hold(closed)
	}
	return pass
}
