package stack

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := FreePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] {
			t.Errorf("port %d is there twice", port)
		}
		seen[port] = true
	}
}

// A port that FreePorts returned is not claimed again, though nothing listens there: not in
// this process, and not in another.
func TestFreePorts_AreNobodyElses(t *testing.T) {
	const wanted = "STACK_TEST_PORT"
	if port, err := strconv.Atoi(os.Getenv(wanted)); err == nil { // in the other process
		t.Log("claimed:", claim(port), claim(port))
		return
	}
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	if claim(ports[0]) {
		t.Error("the same process may have it again")
	}
	free := ports[0]%(lastPort-firstPort) + firstPort // most likely free, or else the loop finds another
	for ; taken(free) || free == ports[0]; free++ {
	}
	for port, want := range map[int]string{ports[0]: "claimed: false false", free: "claimed: true false"} {
		other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		other.Env = append(os.Environ(), wanted+"="+strconv.Itoa(port))
		if out, err := other.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("another process, of port %d: %v %s, want %s", port, err, out, want)
		}
	}
}

// Every server finds its first port taken by another server of its own kind, whose answers must
// not pass for its own.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(context.Context, *Stack, string) (addr string, err error){
		"redis": func(ctx context.Context, s *Stack, name string) (string, error) {
			r, err := s.Redis(ctx, name)
			if err != nil {
				return "", err
			}
			return r.Addr, nil
		},
		"zookeeper": func(ctx context.Context, s *Stack, name string) (string, error) {
			z, err := s.ZooKeeper(ctx, name)
			if err != nil {
				return "", err
			}
			return z.Addr, nil
		},
		"postgres": func(ctx context.Context, s *Stack, name string) (string, error) {
			p, err := s.Postgres(ctx, name)
			if err != nil {
				return "", err
			}
			addr, _, _ := strings.Cut(strings.TrimPrefix(p.URL, "postgres://postgres@"), "/")
			return addr, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpen(t)
			first, err := start(t.Context(), s, "first")
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			s.ports = func(n int) ([]int, error) {
				if asked++; asked > 2 {
					return FreePorts(n)
				}
				_, text, err := net.SplitHostPort(first)
				if err != nil {
					return nil, err
				}
				port, err := strconv.Atoi(text)
				return []int{port}, err
			}
			second, err := start(t.Context(), s, "second")
			if err != nil {
				t.Fatal(err)
			}
			if second == first || asked != 3 {
				t.Errorf("second server on %s after %d ports, first on %s", second, asked, first)
			}
		})
	}
}

// A server that ends for a reason other than its port is not started again.
func TestPortFree(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	asked := 0
	s.ports = func(n int) ([]int, error) { asked++; return FreePorts(n) }
	_, err := s.Redis(t.Context(), "redis", "--no-such-setting", "1")
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") || asked != 1 {
		t.Errorf("after %d tries: %v", asked, err)
	}
}
