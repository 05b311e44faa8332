//go:build !linux

package main

import "time"

// pause waits. Short waits last longer here; the sample says by how much.
func pause(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
