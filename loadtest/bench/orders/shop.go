package orders

import (
	"context"
	"os"
	"path/filepath"

	"orderd/loadtest/fleet"
)

// A shop is what replicas have in a shop and what costs each order something: clients with
// API keys, and events about what was sold.
type shop struct {
	apiKey string // of the only client
	file   string // of the API keys, with the line that admits it
}

func newShop(ctx context.Context, f *fleet.Fleet, dir string) (shop, error) {
	key, line, err := f.NewKey(ctx, "bench", "buyer")
	if err != nil {
		return shop{}, err
	}
	s := shop{apiKey: key, file: filepath.Join(dir, "api-keys")}
	return s, os.WriteFile(s.file, []byte(line+"\n"), 0o600)
}

// flags returns the flags of orderd serve.
func (s shop) flags() []string {
	return []string{"--api-keys", s.file, "--events-stream", "bench:events"}
}
