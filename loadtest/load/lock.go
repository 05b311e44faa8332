package load

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// A Lock is who holds a SKU's lock, as a replica tells.
type Lock struct {
	Held    bool   `json:"held"`
	Owner   string `json:"owner"`
	Token   int64  `json:"token"`
	Waiters int    `json:"waiters"`
}

// Replica is the replica part of the owner's name, empty if nobody holds it.
func (l Lock) Replica() string {
	replica, _, _ := strings.Cut(l.Owner, ":")
	return replica
}

// Lock asks the first target who holds a SKU's lock. Modes that exclude nobody
// have no answer, which is an error.
func (c *Client) Lock(ctx context.Context, sku string) (Lock, error) {
	var l Lock
	err := c.call(ctx, http.MethodGet, "/v1/locks/"+url.PathEscape(sku), "", &l)
	return l, err
}

// Evict has the first target take a SKU's lock from its holder, if it has one.
func (c *Client) Evict(ctx context.Context, sku string) error {
	return c.call(ctx, http.MethodDelete, "/v1/locks/"+url.PathEscape(sku), "", nil)
}
