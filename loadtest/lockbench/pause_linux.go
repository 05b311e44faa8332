package main

import (
	"errors"
	"syscall"
	"time"
)

// pause waits in the kernel: time.Sleep wakes up to a millisecond late if the Go scheduler
// has to notice. A goroutine keeps its thread for the length of a system call.
func pause(d time.Duration) {
	if d <= 0 {
		return
	}
	left := syscall.NsecToTimespec(d.Nanoseconds())
	// A signal ends the wait early, with what is left of it in left.
	for errors.Is(syscall.Nanosleep(&left, &left), syscall.EINTR) {
	}
}
