package locking

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

var (
	errNoConnection = errors.New("no connection to ZooKeeper")
	errPlaceLost    = errors.New("the place in the queue is gone: its node was deleted, or the session ended")
)

// A zkSession is one session with the servers. The ephemeral nodes created in it vanish with
// it.
type zkSession struct {
	id   int64
	life context.Context // ends when the session is known to have ended
	end  context.CancelCauseFunc
	ttl  atomic.Int64 // the time-out that the server granted, a time.Duration

	mu    sync.Mutex
	alive time.Time // see heard
}

func (s *zkSession) timeout() time.Duration { return time.Duration(s.ttl.Load()) }

// hear records that a write, sent no earlier than asked, was made. If the session is alive
// now it was alive then, and the write was its own: another session begins only after its
// end.
func (s *zkSession) hear(asked time.Time) {
	if s.life.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.After(s.alive) {
		s.alive = asked
	}
}

// heard returns when the latest write that the servers have made for the session was begun.
func (s *zkSession) heard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive
}

// trust returns for how long after heard the servers are sure to keep the session. That is
// less than its time-out. A write that went through a follower tells the leader, which ends
// sessions, nothing of them: it learns when the follower last heard of a session with the
// follower's next answer to a ping, which it sends every half tick, at most a quarter of the
// time-out as that is two ticks or more. So the last that the leader knows of may be that much
// older, and by the client's own ping interval of a third: if the follower is cut off right
// after the write, together with the client, that is all it will ever know.
//
// It does not cover a client that was paused for long before it wrote.
func (s *zkSession) trust() time.Duration {
	const ping, half = 1. / 3, 1. / 4 // of the time-out: the client's ping interval, half a tick at most
	return time.Duration(float64(s.timeout()) * (1 - ping - half))
}

// recently reports whether heard is new enough to take a turn without a write of its own: most
// of the trust is then left.
func (s *zkSession) recently() bool { return time.Since(s.heard()) <= s.timeout()/8 }

// owns returns a request for a node that must exist and be the session's. ErrLost means that
// it does not exist, or is not the session's.
func (s *zkSession) owns(conn *zk.Conn, node string) func() (*zk.Stat, error) {
	return func() (*zk.Stat, error) {
		exists, stat, err := conn.Exists(node)
		if err != nil {
			return nil, err
		}
		if !exists || stat.EphemeralOwner != s.id {
			return nil, ErrLost
		}
		return stat, nil
	}
}

// zkStatus follows the client's connection and session.
type zkStatus struct {
	alive context.Context // parent of every session's life

	mu        sync.Mutex
	session   *zkSession // nil before the first and after an expiry
	connected bool
	unproven  bool          // whether the client has yet to authenticate
	since     time.Time     // when connected became false
	news      int           // how often a connection has resumed a session, or has ended
	changed   chan struct{} // closed at the next change
}

func newZKStatus(alive context.Context) *zkStatus {
	return &zkStatus{alive: alive, changed: make(chan struct{})}
}

// Printf implements zk.Logger. The client reports the session's time-out, which the server
// may have set to another than was asked for, only in its log. The line comes before the
// first request of a connection is sent, so that no lease can be granted without it.
func (st *zkStatus) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "authenticated:") || len(args) != 2 {
		return
	}
	id, ok := args[0].(int64)
	milliseconds, ok2 := args[1].(int32)
	if ok && ok2 {
		st.authenticated(id, time.Duration(milliseconds)*time.Millisecond)
	}
}

func (st *zkStatus) authenticated(id int64, timeout time.Duration) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.session == nil || st.session.id != id {
		st.drop()
		life, end := context.WithCancelCause(st.alive)
		st.session = &zkSession{id: id, life: life, end: end}
		st.connect()
	} else {
		time.AfterFunc(zkSettle, st.settled(st.session))
	}
	st.session.ttl.Store(int64(timeout))
}

// zkSettle is a pause before the first request of a connection that resumes a session. Right
// after its handshake the client collects its watches and reads, without a lock, the latest
// zxid that it has seen; an answer that came before that would change the zxid while it is
// read.
const zkSettle = 5 * time.Millisecond

// settled returns a function that resumes a session, if nothing has happened to its
// connection by then. st.mu must be held.
func (st *zkStatus) settled(s *zkSession) func() {
	st.news++
	as := st.news
	return func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.session == s && st.news == as {
			st.connect()
		}
	}
}

func (st *zkStatus) connect() {
	st.connected = true
	st.change()
}

// proved records that the client has authenticated.
func (st *zkStatus) proved() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.unproven = false
	st.change()
}

// event is the client's callback. It runs in the client's own goroutine, in
// the order of what happens to the connection, and must not block.
func (st *zkStatus) event(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	switch e.State {
	case zk.StateExpired:
		st.drop()
	case zk.StateDisconnected, zk.StateConnecting:
	default:
		return
	}
	st.news++
	if st.connected {
		st.connected, st.since = false, time.Now()
	}
	st.change()
}

func (st *zkStatus) drop() {
	if st.session != nil {
		st.session.end(errSession)
		st.session = nil
	}
}

func (st *zkStatus) change() {
	close(st.changed)
	st.changed = make(chan struct{})
}

// over reports whether the session has had no connection for so long that servers that are up
// have ended it.
func (st *zkStatus) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.session != nil && !st.connected && time.Since(st.since) > 2*st.session.timeout()
}

// granted returns the session's time-out, 0 if there is no session.
func (st *zkStatus) granted() time.Duration {
	if s, _ := st.current(); s != nil {
		return s.timeout()
	}
	return 0
}

// current returns the session, nil if there is none, and whether it has a
// connection.
func (st *zkStatus) current() (s *zkSession, connected bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.session, st.connected
}

// ready waits, for patience at most, until there is a session with a
// connection. A connection that was dropped is usually replaced by then.
func (st *zkStatus) ready(ctx context.Context, patience time.Duration) (*zkSession, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		st.mu.Lock()
		s, connected, changed := st.session, st.connected && !st.unproven, st.changed
		st.mu.Unlock()
		if connected {
			return s, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, errNoConnection
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
