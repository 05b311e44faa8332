// Package locking makes callers take turns with keys.
//
// A [Locker] grants a [Lease] on one or more keys. While the lease is held
// nobody else is granted any of them, as far as the mode can promise that.
// What it cannot promise is the subject of this text.
//
// # What each mode promises
//
//   - none ([None]) promises nothing. It is the control group.
//   - local ([Local]) keeps the callers of one process apart, first come,
//     first served. It fails as soon as there is a second process.
//   - redis ([Redis]) keeps apart all who use one Redis, first come, first
//     served. The promise is the server's, and lasts until the TTL is over: a
//     holder that is paused for longer, and a server that loses its data in a
//     restart or a failover, let a second holder in. With acknowledgements
//     ([RedisConfig].Acks) a lock survives a failover to a replica that has it.
//   - redlock ([Redlock]) keeps apart all who use the same independent Redis
//     masters, by holding most of them. It survives the loss of a minority, and
//     lasts until the TTL is over, if the masters' clocks run alike and none of
//     them forgets what it granted.
//   - zookeeper ([ZooKeeper]) keeps apart all who use one ensemble, first
//     come, first served. The promise is the ensemble's, survives the loss of
//     a minority of it, and lasts until the session is over: a holder that is
//     paused for longer lets a second one in.
//   - postgres ([Postgres]) keeps apart all who use one PostgreSQL database. The
//     promise is the server's, and lasts until the session is over: until its
//     connection breaks, or the server has not heard of it for the TTL.
//
// # Until when a holder may believe
//
// A lease of the modes from redis on ends by itself if its holder dies, and hence
// also if the holder is merely cut off, or does not run. The two sides measure
// its end with different clocks, so the holder stops first:
//
//	holder   sent |------------- trusted ------------| Until, Lost
//	backend        heard |---------------- TTL ----------------| free
//
// [Lease.Until] is counted from before the request was sent, and a hundredth
// is taken off for clocks that do not run alike. The lease is renewed every
// third of its TTL, from its first key on, so that a cart that waits for a
// later key keeps those it has. When no renewal succeeds, Lost closes at Until,
// even if every call hangs. It closes at once when the backend says that the
// key is no longer the holder's.
//
// A ZooKeeper lease is counted from a write that a majority of the servers has
// acknowledged: a server that is cut off from the others goes on answering reads for a
// while, when they have let the next one in already. So a renewal is a write, too, of nothing.
//
// This window closes for a holder that runs. One that is paused, by a garbage
// collector, a hypervisor or SIGSTOP, learns of its loss only afterwards: it
// can check its lease, be paused for a minute, and write. The clock that is
// used also stands still while a machine sleeps. No lock can close that gap
// from outside: check the lease as late as possible, with [Lease.Check] and a
// margin, and let the store that is written to refuse what comes too late.
//
// # Tokens
//
// [Lease.Token] is for that store. Of two leases on a key the later one has the
// larger token, so a store that remembers the largest it has seen can refuse a
// holder whose turn is over. Tokens of different modes cannot be compared.
//
// In Redis a token is the server's time in microseconds, or one more than the
// last if that is larger: tokens grow even after a restart without data, as
// long as the clock was not set back. RedLock takes the largest of its masters'
// tokens, and has most of them remember it before the lease is used. In
// ZooKeeper it is the number of the change by which the holder entered the
// key's queue (czxid), or took its last place again: the ensemble orders changes, and serves
// the queue in their order. In PostgreSQL it is the next value of a sequence, taken
// while the locks are held. The modes none and local cannot order the leases of several
// processes: 0.
//
// # What a turn costs
//
// The script that releases a lock in Redis also hands it to the next waiter, and with
// it, by [Lease.PassOn], a note of what the holder knows about the thing that is locked.
//
// In ZooKeeper a turn costs two durable writes, to enter the queue and to leave it. Only
// the second is between two holders: a waiter sees from the change of the node before its
// own that the lock was released, and need not read the queue again. Two places of one
// process that are next to each other do not wait even for that. Where nobody else is in
// the queue, the process keeps its place for a moment after the release, and can have it
// again for one write that fails if anybody has entered since; the order of arrival holds
// in any case.
//
// # Operators
//
// An [Inspector] tells who holds a key and how many wait. An [Evictor] takes
// the key away, after the store has been told to refuse the old holder's token.
//
// # How it fails
//
// Acquire holds all its keys or none. Its three errors tell apart what callers
// have to answer differently: [ErrBusy], others hold a key; [ErrUnavailable],
// the backend cannot say, so nobody may go on; [ErrLost], a key was lost while
// waiting for another. There is no falling back to a weaker mode.
//
// A request whose reply was lost may have taken a key that nobody knows of.
// Such keys are given back in the background, by the owner's name, which is
// unique for each lease; [Locker.Close] waits for that. So are keys whose
// release got no answer, of which the holder is told [ErrUnknown].
//
// Keys are taken in sorted order and nobody waits for a key while holding a
// later one, so that no circle of waiters can form.
package locking
