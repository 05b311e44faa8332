package stack

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func mustDial(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

func mustStartSentinel(t *testing.T, s *Stack, args ...string) *Sentinel {
	t.Helper()
	g, err := s.Sentinel(t.Context(), "group", args...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// namedMaster returns the master that all the sentinels name.
func namedMaster(ctx context.Context, g *Sentinel) (*Redis, error) {
	var named string
	for _, addr := range g.Addrs {
		client := redis.NewSentinelClient(&redis.Options{Addr: addr})
		answer, err := client.GetMasterAddrByName(ctx, g.MasterName).Result()
		client.Close()
		if err != nil {
			return nil, err
		}
		found := answer[0] + ":" + answer[1]
		if named != "" && found != named {
			return nil, fmt.Errorf("the sentinels name %s and %s", named, found)
		}
		named = found
	}
	data := append([]*Redis{g.Master}, g.Replicas...)
	i := slices.IndexFunc(data, func(r *Redis) bool { return r.Addr == named })
	if i < 0 {
		return nil, fmt.Errorf("the sentinels name %s, which is none of theirs", named)
	}
	return data[i], nil
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	g := mustStartSentinel(t, s)

	if named, err := namedMaster(t.Context(), g); err != nil || named != g.Master {
		t.Fatalf("the sentinels name %v, %v, want %s", named, err, g.Master.Addr)
	}
	conn := mustDial(t, g.Master.Addr).Conn()
	t.Cleanup(func() { conn.Close() })
	if err := conn.Set(t.Context(), "key", "before", 0).Err(); err != nil {
		t.Fatal(err)
	}
	const enough = 30 * time.Second
	if n, err := conn.Wait(t.Context(), 2, enough).Result(); err != nil || n != 2 {
		t.Fatalf("%d replicas have the key, %v, want 2", n, err)
	}

	if err := g.Master.Kill(); err != nil {
		t.Fatal(err)
	}
	var next *Redis
	eventually(t, "another master is named", func() error {
		var err error
		if next, err = namedMaster(t.Context(), g); err == nil && next == g.Master {
			err = fmt.Errorf("the sentinels still name %s", g.Master.Addr)
		}
		return err
	})
	client := mustDial(t, next.Addr)
	if got, err := client.Get(t.Context(), "key").Result(); err != nil || got != "before" {
		t.Errorf("key = %q, %v", got, err)
	}
	if err := client.Set(t.Context(), "key", "after", 0).Err(); err != nil {
		t.Error(err)
	}
	eventually(t, "the other replica follows", func() error {
		other := g.Replicas[0]
		if other == next {
			other = g.Replicas[1]
		}
		got, err := mustDial(t, other.Addr).Get(t.Context(), "key").Result()
		if err == nil && got != "after" {
			err = fmt.Errorf("key = %q", got)
		}
		return err
	})

	// Its data is gone, and comes back from the new master.
	if err := g.Master.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first master follows", func() error {
		return replicasLinked(t.Context(), []*Redis{g.Master})
	})
	if got, err := mustDial(t, g.Master.Addr).Get(t.Context(), "key").Result(); err != nil || got != "after" {
		t.Errorf("key = %q, %v", got, err)
	}

	// It has written its new role to disk.
	mustRestart(t, g.Master.Process, ends["stopped"])
	want := map[string]string{"role": "slave", "master_port": strconv.Itoa(next.port)}
	if err := redisInfo(t.Context(), g.Master.Addr, want, "INFO", "replication"); err != nil {
		t.Error(err)
	}
	mustLeaveNothing(t, s)
}

// If one member does not start, none is left running.
func TestSentinel_allOrNone(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	// The folder of the last sentinel exists already.
	if _, err := s.folder("group-sentinel-3", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sentinel(t.Context(), "group"); err == nil {
		t.Fatal("Sentinel() = nil although a sentinel has no folder")
	}
	for _, r := range s.runs {
		if !r.ended() {
			t.Errorf("%s still runs", r.name)
		}
	}
}
