package locking

import "sync/atomic"

// A wakeCause is why a waiter stopped waiting and asked again.
type wakeCause int

const (
	wakeTurn      wakeCause = iota // notified that the lock may be its own
	wakeTimer                      // not notified for a while
	wakeReconnect                  // a connection or session was lost, and messages with it
	wakeCauses                     // the number of causes
)

var wakeNames = [wakeCauses]string{"turn", "timer", "reconnect"}

// wakeups counts what wakes the waiters of a locker.
type wakeups [wakeCauses]atomic.Int64

func (w *wakeups) count(cause wakeCause) { w[cause].Add(1) }

// woken returns how often a cause has woken a waiter.
func (w *wakeups) woken(cause wakeCause) int64 { return w[cause].Load() }
