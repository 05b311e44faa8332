package main

import (
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
)

// Go's collector runs whenever the memory in use has doubled. An order's is in
// use for a few milliseconds and a few MiB serve them all, so that it would run
// hundreds of times a second, for a fifth of the processor. It may let garbage
// grow to four times what is in use. A limit makes it as frugal as it must be
// during a rush. What is in use then is bounded by the requests that may be in
// flight and the connections that may be open; a limit that they reach would have
// the collector do nothing but run, so that it grows with the connections.
const (
	gcPercent = 400
	// limitBase is for all requests that may be in flight, and connectionsStep
	// connections.
	limitBase       = 56 << 20 // bytes
	connectionsStep = 1024
	limitStep       = connectionsStep * 24 << 10 // bytes, for so many connections more
)

// A memoryTuner tunes Go's, in what the operator has not said otherwise by GOGC or
// GOMEMLIMIT, which Go has read by itself.
type memoryTuner struct {
	limit func(int64) // sets the limit; nil: that is somebody else's

	mu          sync.Mutex
	connections int
	steps       int
}

// memory is the process's collector. It is left alone until main tunes it.
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

// connState is told of an http.Server's connections.
func (c *memoryTuner) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.count(1)
	case http.StateClosed, http.StateHijacked:
		c.count(-1)
	case http.StateActive, http.StateIdle:
	}
}

// count changes the limit when so many connections more are open, or a whole step
// fewer: not to and fro with each of them.
func (c *memoryTuner) count(more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections += more
	steps := (c.connections - 1) / connectionsStep
	if c.limit == nil || steps == c.steps || steps == c.steps-1 && c.connections > c.steps*connectionsStep-connectionsStep/2 {
		return
	}
	c.steps = steps
	c.limit(limitBase + int64(steps)*limitStep)
}
