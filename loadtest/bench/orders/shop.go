package orders

import (
	"fmt"
	"os"
	"path/filepath"

	"orderd/internal/access"
)

// A shop is what replicas have that a shop would run and that costs each order
// something: clients are told apart, and what is sold is told to others.
type shop struct {
	apiKey string // of the one client
	file   string // that lets it in
}

func newShop(dir string) (shop, error) {
	key, line, err := access.NewKey(access.Client{Name: "bench", Role: access.RoleBuyer})
	if err != nil {
		return shop{}, fmt.Errorf("make an API key: %w", err)
	}
	s := shop{apiKey: key, file: filepath.Join(dir, "api-keys")}
	return s, os.WriteFile(s.file, []byte(line+"\n"), 0o600)
}

// flags are those of orderd serve.
func (s shop) flags() []string {
	return []string{"--api-keys", s.file, "--events-stream", "bench:events"}
}
