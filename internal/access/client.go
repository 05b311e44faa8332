package access

import "context"

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
