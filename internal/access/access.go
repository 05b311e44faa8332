// Package access knows who may use the service, and how much of it: API keys
// with their clients and roles ([Keys]), whose request it is ([ClientOf]), and how
// many each may make ([Limits]). It knows nothing of HTTP.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
)

// A Role is what a client may do.
type Role string

// The roles. An admin may do all that a buyer may.
const (
	// RoleBuyer: places orders, and sees its own and the stock.
	RoleBuyer Role = "buyer"
	// RoleAdmin: sets the stock, reads the ledger, looks after locks.
	RoleAdmin Role = "admin"
)

// Roles lists every role.
var Roles = []Role{RoleBuyer, RoleAdmin}

// A Client is who a key belongs to. Orders and idempotency keys are the
// client's, whichever of its keys it shows.
type Client struct {
	Name string
	Role Role
}

// clientName is what clients are called: names go into logs, rows and files of
// keys, and mean nothing to any of them.
var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c Client) check() error {
	if !clientName.MatchString(c.Name) {
		return fmt.Errorf("client: needs 1 to 64 letters, digits, '.', '_' or '-', of which the first is a letter or a digit")
	}
	if c.Role != RoleBuyer && c.Role != RoleAdmin {
		return fmt.Errorf("role: must be one of %v", Roles)
	}
	return nil
}

// keyPrefix tells what a key found somewhere is for, also to programs that look
// for keys where they should not be.
const keyPrefix = "orderd_"

// NewKey makes a key for a client. It returns the key, which is the client's
// alone, and the line of a file of keys that lets it in. The error is that of a
// name or role that cannot be.
func NewKey(c Client) (key, line string, err error) {
	if err := c.check(); err != nil {
		return "", "", err
	}
	key = keyPrefix + rand.Text()
	sum := hash(key)
	return key, fmt.Sprintf("%s %s %s", c.Name, c.Role, hex.EncodeToString(sum[:])), nil
}

// hash is what is kept of a key. One round of SHA-256 is enough, and bcrypt and
// its like would only make every request slow: they are for passwords, which
// people choose and others can guess. A key has 130 random bits, so whoever has
// the hash still has all the keys there could be to try.
func hash(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }
