package locking

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// ZooKeeperConfig says which ZooKeeper keeps the locks and for how long.
type ZooKeeperConfig struct {
	Servers []string // host or host:port
	// SessionTimeout is how long a dead holder keeps its keys: the time-out to ask for, 100
	// ms or more; the servers have limits of their own.
	SessionTimeout time.Duration
	Owner          string // the replica's name; written into the nodes, for operators
	// Auth is "user:password", the same for all replicas: only that user can access the
	// nodes. Empty: anybody can, and can take a lock away.
	Auth string
	TLS  *tls.Config // nil: unencrypted
}

// ZooKeeper locks keys in one ZooKeeper ensemble, first come, first served. Its leases live
// as long as the process's session.
type ZooKeeper struct {
	wakeups
	conn    *zk.Conn
	events  <-chan zk.Event // closed when the client has ended
	dialer  *zkDialer
	status  *zkStatus
	owner   []byte
	call    time.Duration // limit of one request
	workers *workers
	acl     []zk.ACL // of the nodes

	neighbours zkNeighbours
	keeping    zkKeeping
}

var (
	_ Locker  = (*ZooKeeper)(nil)
	_ Evictor = (*ZooKeeper)(nil)
)

// NewZooKeeper returns a locker. It checks the configuration and connects in
// the background: the servers may come up later.
func NewZooKeeper(cfg ZooKeeperConfig) (*ZooKeeper, error) {
	if len(cfg.Servers) == 0 || slices.Contains(cfg.Servers, "") {
		return nil, fmt.Errorf("lock zookeeper: servers %q: none, or an empty one", cfg.Servers)
	}
	if err := checkLease(cfg.SessionTimeout, cfg.Owner); err != nil {
		return nil, fmt.Errorf("lock zookeeper: %w", err)
	}
	acl, err := zkACL(cfg.Auth)
	if err != nil {
		return nil, err
	}
	workers := newWorkers()
	status := newZKStatus(workers.life)
	status.unproven = cfg.Auth != ""
	z := &ZooKeeper{
		acl:     acl,
		dialer:  &zkDialer{patience: cfg.SessionTimeout, granted: status.granted, over: status.over, tls: cfg.TLS},
		status:  status,
		owner:   []byte(cfg.Owner),
		call:    callTimeout(cfg.SessionTimeout),
		workers: workers,
	}
	hosts := &zkHosts{}
	z.conn, z.events, err = zk.Connect(cfg.Servers, cfg.SessionTimeout,
		zk.WithHostProvider(hosts),
		zk.WithDialer(z.dialer.dial),
		zk.WithLogger(z.status),
		// By callback, as the channel drops events if its reader is late.
		zk.WithEventCallback(func(e zk.Event) {
			if e.State == zk.StateExpired {
				hosts.Connected() // a server said so, so one is up: no pause before the next
			}
			z.status.event(e)
		}))
	if err != nil {
		return nil, fmt.Errorf("lock zookeeper: %w", err)
	}
	if cfg.Auth != "" {
		z.workers.run(func() { z.prove(cfg.Auth) })
	}
	return z, nil
}

// Ping reports whether a server answers right now.
func (z *ZooKeeper) Ping(ctx context.Context) error {
	_, err := zkAsk(ctx, z, func() (bool, error) {
		exists, _, err := z.conn.Exists(zkRoot)
		return exists, err
	})
	if err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	return nil
}

// Close ends every wait, and the session, with which all its nodes are deleted.
func (z *ZooKeeper) Close() error {
	idle := z.workers.close()
	z.conn.Close() // bounded; ends every request under way
	z.dialer.close()
	<-idle
	for range z.events { // until the client has ended
	}
	return nil
}

// Acquire implements Locker.
func (z *ZooKeeper) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	ctx, keys, end, err := z.workers.begin(ctx, keys)
	if err != nil {
		return nil, err
	}
	defer end()
	if ctx.Err() != nil {
		return nil, waitError(ctx, true)
	}
	s, err := z.status.ready(ctx, z.call)
	if err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}

	h := &zkHolder{zk: z, session: s, id: rand.Text()}
	l := newLease(s.life, h, s.timeout())
	l.demand = newDemand()
	if err := h.take(ctx, l, keys); err != nil {
		_ = l.Release(ctx) // what it could not settle is settled in the background
		return nil, err
	}
	return l, nil
}
