package locking

import (
	"fmt"
	"strconv"
	"strings"
)

// zkRoot is the folder of all locks: below it a folder for each key, and in
// that a node for each caller who holds the key or waits for it.
const zkRoot = "/orderd/locks"

// zkFolder returns the folder of a key. Every string is a key, and different keys have
// different folders: characters that are special in a path are written as %XX.
func zkFolder(key string) string {
	var b strings.Builder
	b.WriteString(zkRoot + "/")
	dots := key == "." || key == ".."
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.' && !dots:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// zkSequence returns the number that the server appended to a node's name, "id-number". The
// server counts in 32 bits and wraps around to below zero.
func zkSequence(name string) (int32, bool) {
	_, digits, found := strings.Cut(name, "-")
	if !found {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	return int32(n), err == nil
}

// zkPredecessor returns which of the names in a folder comes right before own,
// "" if own is first. It reports false if own is not among them.
func zkPredecessor(names []string, own string) (string, bool) {
	mine, ok := zkSequence(own)
	if !ok {
		return "", false
	}
	var (
		before  string
		nearest int32
		present bool
	)
	for _, name := range names {
		present = present || name == own
		n, ok := zkSequence(name)
		if !ok {
			continue
		}
		// The difference, not the numbers, tells who is first: it stays right
		// when the count wraps around.
		if ahead := mine - n; ahead > 0 && (before == "" || ahead < nearest) {
			before, nearest = name, ahead
		}
	}
	return before, present
}

// zkFirst returns the first name in the queue, which is the holder's, or "" if there is none.
func zkFirst(names []string) (first string) {
	var least int32
	for _, name := range names {
		n, ok := zkSequence(name)
		if ok && (first == "" || n-least < 0) { // see zkPredecessor
			first, least = name, n
		}
	}
	return first
}
