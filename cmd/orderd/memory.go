package main

import (
	"os"
	"runtime/debug"
)

// Go's collector runs whenever the memory in use has doubled. An order's is in
// use for a few milliseconds and a few MiB serve them all, so that it would run
// hundreds of times a second, for a fifth of the processor. It may let garbage
// grow to four times what is in use; memoryLimit is where it becomes as frugal
// as it must, during a rush. What is in use is bounded by the connections that
// may be open, some 16 KiB each, and the requests that may be in flight, 30: 96
// MiB of all of them. A limit that they reach would have the collector do nothing
// but run: at 48 MiB, 3,000 clients had 62 orders a second placed instead of
// thousands.
const (
	gcPercent   = 400
	memoryLimit = 160 << 20 // bytes
)

// tuneCollector applies these, each unless the operator has said otherwise by
// GOGC or GOMEMLIMIT, which Go has read by itself.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
