// Package access controls who may use the service, and how much: API keys with their clients
// and roles ([Keys]), the client of a request ([ClientOf]), and rate limits ([Limits]). It
// knows nothing of HTTP.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
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

// A Client owns API keys. Orders and idempotency keys are the client's, whichever of its API
// keys a request has.
type Client struct {
	Name string
	Role Role
}

// clientName matches the names that clients may have. Names are written to logs, rows and key
// files, so they contain nothing that has a meaning there.
var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c Client) check() error {
	if !clientName.MatchString(c.Name) {
		return fmt.Errorf("client: needs 1 to 64 letters, digits, '.', '_' or '-', of which the first is a letter or a digit")
	}
	if !slices.Contains(Roles, c.Role) {
		return fmt.Errorf("role: must be one of %v", Roles)
	}
	return nil
}

// keyPrefix shows what a leaked key is for, also to secret scanners.
const keyPrefix = "orderd_"

// NewKey makes a key for a client. It returns the key, which only the client may have, and the
// line of a key file that admits it. The error says that the name or the role is invalid.
func NewKey(c Client) (key, line string, err error) {
	if err := c.check(); err != nil {
		return "", "", err
	}
	key = keyPrefix + rand.Text()
	sum := hash(key)
	return key, fmt.Sprintf("%s %s %s", c.Name, c.Role, hex.EncodeToString(sum[:])), nil
}

// hash is what is stored of a key. One round of SHA-256 is enough, and bcrypt and its like
// would only make every request slow: they are for passwords, which people choose and others
// can guess. A key has 130 random bits, which is too many to try even with the hash at hand.
func hash(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }
