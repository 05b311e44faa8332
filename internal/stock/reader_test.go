package stock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"orderd/internal/stack/stacktest"
)

// A standby shows none of the transactions that write on the primary: what it calls the
// ledger's end may have rows below it that are yet to appear.
func TestReader_RefusesAStandbysEnd(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Postgres(t.Context(), "postgres-standby")
	if err != nil {
		t.Fatal(err)
	}
	db := OpenMigrated(t, server.URL)
	r := reader{db: db, name: "test"}
	if _, err := r.mark(t.Context()); err != nil {
		t.Fatalf("mark() = %v on a primary", err)
	}

	var folder string
	if err := db.QueryRow(t.Context(), "SHOW data_directory").Scan(&folder); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Reset()
	if m, err := r.mark(t.Context()); !errors.Is(err, errStandby) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("mark() = %+v, %v on a standby, want errStandby", m, err)
	}
}
