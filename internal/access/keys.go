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

// Limits of a key file.
const (
	maxKeys       = 10_000
	keysForClient = 2 // the one in use, and the one that takes its place
)

// Keys are the API keys that are accepted. They can be replaced while in use. The zero value
// accepts none.
type Keys struct {
	current atomic.Pointer[keySet]
}

// A keySet groups keys into drawers by the first byte of their hashes, so that finding one
// among those of a thousand clients takes no longer than among a few.
type keySet struct {
	drawers [256][]entry
}

type entry struct {
	Client
	hash [sha256.Size]byte
}

// ClientOf returns the client that the key belongs to. Its timing does not reveal how close a
// wrong key came: each hash in the drawer is compared in constant time, and which drawer it is
// depends only on the hash of the given key.
func (k *Keys) ClientOf(key string) (Client, bool) {
	keys := k.current.Load()
	if keys == nil {
		return Client{}, false
	}
	sum, found := hash(key), -1
	drawer := keys.drawers[sum[0]]
	for i := range drawer {
		same := subtle.ConstantTimeCompare(sum[:], drawer[i].hash[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return Client{}, false
	}
	return drawer[found].Client, true
}

// Replace reads lines of the form "client role hash", as NewKey makes them, and accepts their
// keys from now on, and no others. Empty lines and those that begin with # are skipped. On an
// error the keys stay as they were; it names the line's number and quotes nothing of the line.
func (k *Keys) Replace(lines io.Reader) error {
	keys := &keySet{}
	read := &reading{map[[sha256.Size]byte]bool{}, map[string]Role{}, map[string]int{}}
	scanner := bufio.NewScanner(lines)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := parseEntry(line)
		if err == nil {
			err = read.add(e)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		drawer := &keys.drawers[e.hash[0]]
		*drawer = append(*drawer, e)
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	if len(read.hashes) == 0 {
		return errors.New("there is no key")
	}
	k.current.Store(keys)
	return nil
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

// A reading is what the lines so far contain, which limits those to come.
type reading struct {
	hashes map[[sha256.Size]byte]bool
	roles  map[string]Role
	keys   map[string]int
}

// add adds a line, or says why it is not allowed.
func (r *reading) add(e entry) error {
	role, known := r.roles[e.Name]
	switch {
	case r.hashes[e.hash]:
		return errors.New("hash: is there already")
	case known && role != e.Role:
		return errors.New("role: a client has one, for all of its keys")
	case r.keys[e.Name] >= keysForClient:
		return fmt.Errorf("client: has %d keys already: one in use and one to come", keysForClient)
	case len(r.hashes) >= maxKeys:
		return fmt.Errorf("there are %d keys already", maxKeys)
	}
	r.hashes[e.hash], r.roles[e.Name] = true, e.Role
	r.keys[e.Name]++
	return nil
}
