package locking

import "sync"

// A demand notifies the holder of a lease that others wait for its keys.
type demand struct {
	once sync.Once
	made chan struct{}
}

func newDemand() *demand { return &demand{made: make(chan struct{})} }

// tell notifies the holder. It is safe for concurrent use, and on a nil demand.
func (d *demand) tell() {
	if d != nil {
		d.once.Do(func() { close(d.made) })
	}
}

// Wanted is closed once another caller is known to wait for one of the lease's keys: a holder
// that could do several things under one lease should then release it. It is nil, and so
// never ready, in modes that do not notify. It can close late, if a message is lost: a holder
// that keeps a lease for as long as nobody wants it must limit that time.
func (l *Lease) Wanted() <-chan struct{} {
	if l.demand == nil {
		return nil
	}
	return l.demand.made
}
