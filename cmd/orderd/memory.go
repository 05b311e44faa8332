package main

import (
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
)

// By default Go's garbage collector runs whenever the heap has doubled. An order's memory is in
// use for a few milliseconds and the live heap is a few MiB, so that it would run hundreds of
// times a second, for a fifth of the processor. With gcPercent, garbage may grow to four times
// the live heap; a memory limit makes the collector run more often if a rush requires it.
// During a rush the live heap is bounded by the requests that may be in flight and the open
// connections. If it reached the limit, the collector would run all the time, so the limit
// grows with the connections.
const (
	gcPercent = 400
	// limitBase covers all requests that may be in flight, and baseConnections connections.
	limitBase       = 56 << 20 // bytes
	baseConnections = 1024
	// Setting the limit takes the heap's lock and has the collector's pace worked out anew, which is
	// too much for each single connection.
	connectionsStep = 64
	limitStep       = connectionsStep * 24 << 10 // bytes, for each connectionsStep connections more
)

// A memoryTuner sets Go's GC percentage and memory limit, each unless the operator has set GOGC
// or GOMEMLIMIT, which Go reads itself.
type memoryTuner struct {
	limit func(int64) // sets the memory limit; nil: the operator has set it, or tune has not run

	mu          sync.Mutex
	connections int
	steps       int
}

// memory is the process's tuner. It changes nothing until main calls tune.
var memory memoryTuner

func (c *memoryTuner) tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		c.limit = func(bytes int64) { debug.SetMemoryLimit(bytes) }
		c.limit(limitBase)
	}
}

// connState counts an http.Server's connections: it is its ConnState hook.
func (c *memoryTuner) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.count(1)
	case http.StateClosed, http.StateHijacked:
		c.count(-1)
	case http.StateActive, http.StateIdle:
	}
}

// count adds to the open connections and raises the limit with each step. It lowers the limit
// only when half a step fewer are open, so that it does not flap with single connections.
func (c *memoryTuner) count(more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections += more
	beyond := c.connections - baseConnections // below 0: fewer than the base is for
	steps := max(0, (beyond+connectionsStep-1)/connectionsStep)
	if c.limit == nil || steps == c.steps || steps == c.steps-1 && beyond > steps*connectionsStep-connectionsStep/2 {
		return
	}
	c.steps = steps
	c.limit(limitBase + int64(steps)*limitStep)
}
