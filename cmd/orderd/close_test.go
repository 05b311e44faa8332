package main

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

// A statement that was broken off leaves a connection that is closed in the background. A Postgres
// that hangs would hold up the end of the process for it.
func TestServers_CloseDoesNotWaitForAPostgresThatHangs(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Postgres(t.Context(), "postgres-hangs")
	if err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(t.Context(), server.URL, "r1", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &servers{db: db, stock: redis.NewClient(&redis.Options{}), locks: locking.NewNone()}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Signal(syscall.SIGCONT) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := stock.NewStore(db, "r1").Ping(ctx); err == nil {
		t.Fatal("a server that is stopped answers")
	}
	began := time.Now()
	s.close()
	if took := time.Since(began); took > 10*time.Second { // 15 s and more without the limit
		t.Errorf("close has taken %v", took)
	}
}
