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

// openLockClient connects to a Redis that keeps locks. A lock is worth nothing once its TTL
// is over, so every step of a request is limited to call, well below the TTL, and the client
// repeats no request by itself. A Cluster's client is the exception: it asks another node,
// and the same one again after a connection broke. All scripts may be sent twice; only a
// release may then find its lock gone, and report it as lost.
func openLockClient(o *redis.UniversalOptions, call time.Duration) redis.UniversalClient {
	opt := *o
	opt.ContextTimeoutEnabled = true // otherwise a deadline does not reach the socket
	opt.Protocol = 2                 // locks have no use for RESP3's pushes, and every reply is searched for them
	opt.DisableIdentity = true       // the locks' user then needs one permission less
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

// clusterViewAge bounds the age of the client's view of a Cluster. A dead master cannot
// redirect to the one that took over its slots, so these are found again only with a new
// view; the client's own interval is a minute.
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

// neverSent reports whether err came before the request could be sent.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout)
}

// dropped reports whether err is the loss of a connection that had been good: the server may
// well be up.
func dropped(err error) bool {
	_, refused := errors.AsType[redis.Error](err)
	if refused || neverSent(err) || errors.Is(err, errFewAcks) {
		return false
	}
	return !isTimeout(err)
}

// isTimeout reports whether err is the end of the time for a request.
func isTimeout(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && network.Timeout()
}
