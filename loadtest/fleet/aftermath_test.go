package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// Errors that are made in the servers on purpose are seen and judged as such, and none is
// reported while all is right.
func TestFleet_Aftermath(t *testing.T) {
	t.Parallel()
	f, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	replicas, err := f.Start(t.Context(), Setup{Mode: "redis", Replicas: 1, LockWait: time.Second, BatchMax: 1, Unreconciled: true})
	if err != nil {
		t.Fatal(err)
	}
	client := load.NewClient(replicas.URLs, 1)
	t.Cleanup(client.Close)

	r := audit.Records{Clients: 1, Ops: []load.Op{{Quantity: 1, Key: "key-1"}, {Seq: 1, Quantity: 1, Call: 1, Return: 2}}}
	if err := client.SetStock(t.Context(), "A-1", 1, "none"); err != nil {
		t.Fatal(err)
	}
	for i := range r.Ops {
		client.Order(t.Context(), 0, "A-1", &r.Ops[i])
	}
	aftermath := func(limit time.Duration) audit.Judgement {
		t.Helper()
		if err := f.Aftermath(t.Context(), limit, &r, "A-1"); err != nil {
			t.Fatal(err)
		}
		if r.Ledger, err = f.Ledger(t.Context(), "A-1"); err != nil {
			t.Fatal(err)
		}
		return audit.Judge(r)
	}
	if j := aftermath(5 * time.Second); j.Stock() != audit.Held || len(r.Placed) != 1 || r.Placed[0].Key == "key-1" || !r.Placed[0].Has("key-1") || r.Placed[0].Has("key-2") || r.Levels[0].Quick == nil {
		t.Errorf("Judge = %+v of %+v, want all held", j, r)
	}
	for _, where := range []string{"Postgres", "redis-locks", "redis-master-5", "zookeeper"} {
		if !slices.Contains(r.Left.Looked, where) {
			t.Errorf("looked into %v, want %s among them", r.Left.Looked, where)
		}
	}

	other, err := pgx.Connect(t.Context(), f.DatabaseURL()+"&application_name=idler")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	for _, sql := range []string{
		"INSERT INTO orders (id, status) VALUES (gen_random_uuid(), 'confirmed')", "BEGIN", "SELECT 1",
	} {
		if _, err := other.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Stock.Do(t.Context(), "HSET", "orderd:stock:A-1", "level", 7); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Locks.Do(t.Context(), "SET", "somebody:holds:A-1", "x"); err != nil {
		t.Fatal(err)
	}
	j := aftermath(0)
	for name, words := range map[string]string{
		audit.NoOrphans:       "is placed and took nothing",
		audit.QuickLevelRight: "Redis has 7 left",
		audit.NothingHeld:     "idler is idle in transaction, somebody:holds:A-1",
	} {
		i := slices.IndexFunc(j.Invariants, func(i audit.Invariant) bool { return i.Name == name })
		if i < 0 || j.Invariants[i].Verdict != audit.Violated || !strings.Contains(j.Invariants[i].Evidence, words) {
			t.Errorf("%s: %s, want it violated: %s", name, fmt.Sprint(j.Invariants), words)
		}
	}
}
