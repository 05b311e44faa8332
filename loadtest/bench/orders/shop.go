package orders

import (
	"context"
	"os"
	"path/filepath"

	"orderd/loadtest/fleet"
)

// A shop is what replicas have that a shop would run and that costs each order
// something: clients are told apart, and what is sold is told to others.
type shop struct {
	apiKey string // of the one client
	file   string // that lets it in
}

func newShop(ctx context.Context, f *fleet.Fleet, dir string) (shop, error) {
	key, line, err := f.NewKey(ctx, "bench", "buyer")
	if err != nil {
		return shop{}, err
	}
	s := shop{apiKey: key, file: filepath.Join(dir, "api-keys")}
	return s, os.WriteFile(s.file, []byte(line+"\n"), 0o600)
}

// flags are those of orderd serve.
func (s shop) flags() []string {
	return []string{"--api-keys", s.file, "--events-stream", "bench:events"}
}
