package main

import (
	"os"
	"runtime/debug"
)

// Go's collector runs whenever the memory in use has doubled. An order's is in
// use for a few milliseconds and a few MiB serve them all, so that it would run
// hundreds of times a second, for a fifth of the processor. It may let garbage
// grow to four times what is in use; memoryLimit is where it becomes as frugal
// as it must, during a rush. What is in use is bounded by the requests that may
// be in flight.
const (
	gcPercent   = 400
	memoryLimit = 48 << 20 // bytes
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
