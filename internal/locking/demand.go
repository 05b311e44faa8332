package locking

import "sync"

// A demand tells the holder of a lease that others wait for its keys.
type demand struct {
	once sync.Once
	made chan struct{}
}

func newDemand() *demand { return &demand{made: make(chan struct{})} }

// tell may be called from many goroutines, and on a nil demand.
func (d *demand) tell() {
	if d != nil {
		d.once.Do(func() { close(d.made) })
	}
}

// Wanted is closed once somebody else is known to wait for one of the lease's
// keys: a holder who could do several things in turn gives way then. It is nil,
// and so never ready, in modes that do not tell. It can be late, where a message
// is lost on its way: whoever keeps a lease for as long as nobody wants it has
// to set a limit to that.
func (l *Lease) Wanted() <-chan struct{} {
	if l.demand == nil {
		return nil
	}
	return l.demand.made
}
