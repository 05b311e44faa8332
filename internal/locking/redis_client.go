package locking

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// openLockClient connects to a Redis that keeps locks. A lock is worth nothing
// once its TTL is over, so every step of a request is limited to call, well
// below that, and no request is repeated behind our back. But for a Cluster's: its
// client asks another node, and the same one again after a connection broke. All
// scripts may be sent twice; only a release may then find its lock gone, and be
// told as lost.
func openLockClient(o *redis.UniversalOptions, call time.Duration) redis.UniversalClient {
	opt := *o
	opt.ContextTimeoutEnabled = true // otherwise a deadline does not reach the socket
	opt.Protocol = 2                 // a lock has no use for the third's pushes, and every reply is searched for them
	opt.DisableIdentity = true       // one right less that the locks' user needs
	opt.MaxRetries = -1
	opt.DialerRetries = 1
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = call, call, call, call
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if opt.IsClusterMode {
		cluster := opt.Cluster()
		cluster.ClusterStateReloadInterval = clusterViewAge
		return redis.NewClusterClient(cluster)
	}
	return redis.NewUniversalClient(&opt)
}

// clusterViewAge is how old the client's view of a Cluster may be. A master that
// is dead cannot say that another has its slots, so without a new view nothing
// that it served is found again; the client's own interval is a minute.
const clusterViewAge = time.Second

func checkRedis(o *redis.UniversalOptions) error {
	if o == nil || len(o.Addrs) == 0 {
		return errors.New("no address")
	}
	return nil
}

// checkLease checks the settings that every leased mode has.
func checkLease(ttl time.Duration, owner string) error {
	switch {
	case ttl < minTTL:
		return fmt.Errorf("TTL %v is below %v", ttl, minTTL)
	case owner == "":
		return errors.New("owner is empty")
	}
	return nil
}

// neverSent tells an error that came before the request could leave.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// dropped tells the loss of a connection that had been good: the server may
// well be there.
func dropped(err error) bool {
	_, refused := errors.AsType[redis.Error](err)
	if refused || neverSent(err) || errors.Is(err, errFewAcks) {
		return false
	}
	network, ok := errors.AsType[net.Error](err)
	late := errors.Is(err, context.DeadlineExceeded) || ok && network.Timeout()
	return !late
}
