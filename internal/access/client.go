package access

import "context"

type clientKey struct{}

// WithClient returns a context for a request of the named client.
func WithClient(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, clientKey{}, name)
}

// ClientOf returns the name of the client that made the request, empty if clients are not told
// apart.
func ClientOf(ctx context.Context) string {
	name, _ := ctx.Value(clientKey{}).(string)
	return name
}
