package load

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// A Lock is the state of a SKU's lock, as a replica reports it.
type Lock struct {
	Held  bool   `json:"held"`
	Owner string `json:"owner"`
	Token int64  `json:"token"`
}

// Replica is the replica part of the owner's name, empty if the lock is free.
func (l Lock) Replica() string {
	replica, _, _ := strings.Cut(l.Owner, ":")
	return replica
}

// Lock asks the first target for the state of a SKU's lock. It fails in modes that exclude
// nobody: they have no answer.
func (c *Client) Lock(ctx context.Context, sku string) (Lock, error) {
	var l Lock
	err := c.call(ctx, http.MethodGet, "/v1/locks/"+url.PathEscape(sku), "", &l)
	return l, err
}
