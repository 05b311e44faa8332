package locking_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
)

// Environment variables with which the test binary only holds a key: as another process, to
// be killed.
const (
	holdMode = "LOCKING_TEST_HOLD_MODE"
	holdAddr = "LOCKING_TEST_HOLD_ADDR"
	holdTTL  = "LOCKING_TEST_HOLD_TTL"
	holdKey  = "LOCKING_TEST_HOLD_KEY"
)

// openers open a locker by the mode's name.
var openers = map[locking.Mode]func(addr string, ttl time.Duration) (locking.Locker, error){
	locking.ModeRedis: func(addr string, ttl time.Duration) (locking.Locker, error) {
		return newRedis(redisScheme+addr, ttl)
	},
	locking.ModeRedlock: func(addrs string, ttl time.Duration) (locking.Locker, error) {
		return newRedlock(strings.Split(addrs, ","), ttl)
	},
	locking.ModeZooKeeper: func(addr string, ttl time.Duration) (locking.Locker, error) {
		return newZooKeeper(addr, ttl)
	},
	locking.ModePostgres: func(addr string, ttl time.Duration) (locking.Locker, error) {
		return newPostgres(addr, ttl)
	},
}

// hold takes a key, says so, and keeps it until it is killed or its standard
// input ends, which it does with the test.
func hold() error {
	ttl, err := time.ParseDuration(os.Getenv(holdTTL))
	if err != nil {
		return err
	}
	l, err := openers[locking.Mode(os.Getenv(holdMode))](os.Getenv(holdAddr), ttl)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		_, err := l.Acquire(ctx, os.Getenv(holdKey))
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// holdElsewhere is a suite's Options.HoldElsewhere.
func holdElsewhere(mode locking.Mode) func(testing.TB, string, time.Duration, string) func() {
	return func(t testing.TB, addr string, ttl time.Duration, key string) func() {
		t.Helper()
		holder := exec.CommandContext(t.Context(), os.Args[0])
		holder.Env = append(os.Environ(), holdMode+"="+string(mode), holdAddr+"="+addr,
			holdTTL+"="+ttl.String(), holdKey+"="+key)
		holder.Stderr = os.Stderr
		out, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := holder.StdinPipe(); err != nil { // left open until the process ends
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		kill := func() {
			_ = holder.Process.Kill()
			_ = holder.Wait()
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if strings.TrimSpace(line) != "held" {
			kill()
			t.Fatalf("the other process said %q, %v", line, err)
		}
		return kill
	}
}
