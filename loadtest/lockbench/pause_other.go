//go:build !linux

package main

import "time"

// pause waits. Short waits are stretched here; the sample tells by how much.
func pause(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
