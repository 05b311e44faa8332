package wire

import (
	"os"
	"path/filepath"
	"testing"
)

// Who caught a fault is judged by the statements on the wire: one that orderd words anew must
// not become unknown.
func TestStatementOf_KnowsOrderdsStatements(t *testing.T) {
	t.Parallel()
	known := map[string]Statement{"place_line.sql": Place, "group_lock.sql": LockGroup, "group_write.sql": PlaceGroup}
	files, err := filepath.Glob("../../internal/order/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		sql, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := known[filepath.Base(file)] // or Other
		if got := statementOf(string(sql)); got != want {
			t.Errorf("%s is taken for %q, want %q", file, got, want)
		}
		if want != Other {
			found++
		}
	}
	if found != len(known) {
		t.Errorf("%d of the %d statements have files", found, len(known))
	}
}
