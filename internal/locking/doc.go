// Package locking provides mutual exclusion on keys, within one process or between several.
//
// A [Locker] grants a [Lease] on one or more keys. While the lease is held nobody else is granted
// any of them, as far as the mode can promise that. What it cannot promise is the subject of this
// text.
//
// # What each mode promises
//
//   - none ([None]) promises nothing. It is the control group.
//   - local ([Local]) excludes the callers of one process from each other, first come, first
//     served. It fails as soon as there is a second process.
//   - redis ([Redis]) excludes from each other all callers that use one Redis, first come, first
//     served, but for a lock that expires, which goes to whoever asks first. The promise is the
//     server's, and lasts until the TTL is over: a holder that is paused for longer, or a server
//     that loses its data in a restart or a failover, lets a second holder in. With
//     acknowledgements ([RedisConfig].Acks) a lock survives a failover to a replica that has it.
//   - redlock ([Redlock]) excludes from each other all callers that use the same independent
//     Redis masters, by holding a majority of them. The promise survives the loss of a minority,
//     and lasts until the TTL is over, if the masters' clocks run at the same rate and none of
//     them forgets what it granted.
//   - zookeeper ([ZooKeeper]) excludes from each other all callers that use one ensemble, first
//     come, first served. The promise is the ensemble's, survives the loss of a minority of it,
//     and lasts until the session is over: a holder that is paused for longer lets a second one
//     in.
//   - postgres ([Postgres]) excludes from each other all callers that use one PostgreSQL
//     database. The promise is the server's, and lasts until the session is over: until its
//     connection breaks, or the server has not heard of it for the TTL.
//
// # How long a holder may trust its lease
//
// In the modes redis, redlock, zookeeper and postgres a lease ends by itself if its holder dies,
// and hence also if the holder is merely cut off, or does not run. The two sides measure its end
// with different clocks, so the holder stops first:
//
//	holder   sent |------------- trusted ------------| Until, Lost
//	backend        heard |---------------- TTL ----------------| free
//
// [Lease.Until] is counted from before the request was sent, and a hundredth is taken off for
// clocks that run at different rates. The lease is renewed every third of its TTL, from its first
// key on, so that an acquire that waits for a later key keeps the keys it has. When no renewal
// succeeds, [Lease.Lost] closes at Until, even if every call hangs. It closes at once when the
// backend says that the key is no longer the holder's.
//
// A ZooKeeper lease is counted from a write that a majority of the servers has acknowledged: a
// server that is cut off from the others goes on answering reads for a while, when they may have
// let the next holder in already. So a renewal, too, rests on a write: the latest one, if it was
// just made, or else one of its own, which changes no data. And it is counted for five twelfths of
// the session's time-out: what the leader, which ends sessions, knows of one that is connected to a
// follower may be older than the write by the client's ping interval and half a tick.
//
// All this protects only a holder that runs. One that is paused, by a garbage collector, a
// hypervisor or SIGSTOP, learns of its loss only afterwards: it can check its lease, be paused for
// a minute, and write. The clock used also stands still while the machine sleeps. No lock can close
// that gap by itself: check the lease as late as possible, with [Lease.Check] and a margin, and let
// the store that is written to refuse what comes too late.
//
// # Tokens
//
// [Lease.Token] is for that store: it is a fencing token. Of two leases on a key the later one has
// the larger token, so a store that remembers the largest it has seen can refuse a holder whose
// lease is over. Tokens of different modes cannot be compared.
//
// In Redis a token is the server's time in microseconds, or one more than the last token if that is
// larger: tokens grow even after a restart without data, as long as the clock was not set back.
// RedLock takes the largest of its masters' tokens, and has a majority of them store it before the
// lease is used. In ZooKeeper it is the zxid of the transaction in which the holder entered the
// key's queue (its node's czxid), or took the place again that its process had kept: the ensemble
// orders transactions, and serves the queue in their order. In PostgreSQL it is the next value of a
// sequence, taken while the locks are held. The modes none and local cannot order the leases of
// several processes: their tokens are 0.
//
// # What a hand-over costs
//
// In Redis the script that releases a lock also grants it to the next waiter and, with
// [Lease.PassOn], delivers what the holder knows about the locked thing.
//
// In ZooKeeper a lease costs two durable writes, to enter the queue and to leave it. Only the
// second delays the next holder: that one watches the node before its own, sees from how it changes
// that the lock was released, and need not read the queue again. If the next waiter is in the same
// process, it does not wait even for that write. If nobody else is in the queue, the process keeps
// its place for a moment after the release, and can take it again with one write, which fails if
// anybody has entered since; the order of arrival holds in any case.
//
// # Operators
//
// An [Inspector] tells who holds a key and how many wait. An [Evictor] takes the key away, after the
// store has been told to refuse the old holder's token.
//
// # How it fails
//
// Acquire takes all its keys or none. Its three errors call for different answers of the caller:
// [ErrBusy], others hold a key; [ErrUnavailable], the backend cannot say, so the caller must not go
// on; [ErrLost], a key was lost while waiting for another. There is no fallback to a weaker mode.
//
// A request whose reply was lost may have taken a key that nobody knows of. Such keys are given back
// in the background, by the owner's name, which is unique for each lease; [Locker.Close] waits for
// that. So are keys whose release got no answer, for which Release returns [ErrUnknown].
//
// Keys are taken in sorted order and nobody waits for a key while holding a later one, so that
// waiters cannot deadlock.
package locking
