package access

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// What a file of keys holds at most.
const (
	maxKeys       = 1000 // each is compared with every key that is shown
	keysForClient = 2    // the one in use, and the one that takes its place
)

// Keys are the keys that let clients in. They can be replaced while they are
// used. The zero value lets nobody in.
type Keys struct {
	entries atomic.Pointer[[]entry]
}

type entry struct {
	Client
	hash [sha256.Size]byte
}

// ClientOf returns the client whose key this is. How long it takes tells
// nothing of how near a wrong key came.
func (k *Keys) ClientOf(key string) (Client, bool) {
	entries := k.entries.Load()
	if entries == nil {
		return Client{}, false
	}
	sum, found := hash(key), -1
	for i := range *entries {
		same := subtle.ConstantTimeCompare(sum[:], (*entries)[i].hash[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return Client{}, false
	}
	return (*entries)[found].Client, true
}

// Replace reads lines of the form "client role hash", as NewKey makes them, and
// lets their keys in from now on, and no others. Empty lines and those that
// begin with # are left out. If a line is wrong, the keys stay as they were, and
// the error tells the line's number and nothing of what is in it.
func (k *Keys) Replace(lines io.Reader) error {
	var entries []entry
	scanner := bufio.NewScanner(lines)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := parseEntry(line)
		if err == nil {
			err = fits(entries, e)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		entries = append(entries, e)
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	if len(entries) == 0 {
		return errors.New("there is no key")
	}
	k.entries.Store(&entries)
	return nil
}

// Len returns how many keys there are.
func (k *Keys) Len() int {
	if entries := k.entries.Load(); entries != nil {
		return len(*entries)
	}
	return 0
}

func parseEntry(line string) (entry, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return entry{}, errors.New(`must be "client role hash", as orderd keys new prints it`)
	}
	e := entry{Client: Client{Name: fields[0], Role: Role(fields[1])}}
	if err := e.check(); err != nil {
		return entry{}, err
	}
	sum, err := hex.DecodeString(fields[2])
	if err != nil || len(sum) != len(e.hash) {
		return entry{}, errors.New("hash: must be a SHA-256 in 64 hexadecimal digits, and never the key itself")
	}
	copy(e.hash[:], sum)
	return e, nil
}

// fits tells whether a line may follow those before it.
func fits(before []entry, e entry) error {
	keys := 0
	for _, other := range before {
		if other.hash == e.hash {
			return errors.New("hash: is there already")
		}
		if other.Name != e.Name {
			continue
		}
		if other.Role != e.Role {
			return errors.New("role: a client has one, for all of its keys")
		}
		keys++
	}
	switch {
	case keys >= keysForClient:
		return fmt.Errorf("client: has %d keys already: one in use and one to come", keysForClient)
	case len(before) >= maxKeys:
		return fmt.Errorf("there are %d keys already", maxKeys)
	}
	return nil
}
