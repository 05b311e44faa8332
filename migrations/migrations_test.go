package migrations_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// Replicas that start together all migrate; each migration must run once.
func TestUp_ManyAtOnce(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	var applied atomic.Int64
	var replicas sync.WaitGroup
	for range 4 {
		replicas.Go(func() {
			n, err := migrations.Up(t.Context(), url)
			if err != nil {
				t.Errorf("Up = %v", err)
			}
			applied.Add(int64(n))
		})
	}
	replicas.Wait()
	files, err := filepath.Glob("*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if got := applied.Load(); got == 0 || int(got) != len(files) {
		t.Errorf("%d migrations applied by four at once, want %d", got, len(files))
	}
}
