package order

import (
	"context"
	"crypto/sha256"
	"encoding/json"
)

// A Request asks for an order.
type Request struct {
	// Client is who asks: keys and orders are each client's own. Empty where
	// clients are not told apart.
	Client string
	// Key is the client's name for this order: however often it is asked for with
	// the same key, there is one. Empty: each time is an order of its own.
	Key   string
	Lines []Line
}

// hash tells a request that is repeated from another one with the same key. It
// is of what is asked for and not of how it was written: lines are as merge
// leaves them.
func (r *Request) hash() []byte {
	text, err := json.Marshal(r.Lines)
	if err != nil {
		panic(err) // strings and numbers
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// written returns the key as it is stored, with what it was for: nothing for a
// request without one.
func (r *Request) written() (key *string, hash []byte) {
	if r.Key == "" {
		return nil, nil
	}
	return &r.Key, r.hash()
}

type clientKey struct{}

// WithClient returns a context of a request that the named client makes.
func WithClient(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, clientKey{}, name)
}

// ClientOf returns the name of the client whose request it is, empty where
// clients are not told apart.
func ClientOf(ctx context.Context) string {
	name, _ := ctx.Value(clientKey{}).(string)
	return name
}
