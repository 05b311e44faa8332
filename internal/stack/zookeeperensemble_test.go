package stack

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"
)

// silence is the log of a client that is expected to lose its server.
type silence struct{}

func (silence) Printf(string, ...any) {}

// onServer calls do with a connection to one server of an ensemble.
func onServer(z *ZooKeeper, do func(*zk.Conn) error) error {
	conn, _, err := zk.Connect([]string{z.Addr}, 30*time.Second, zk.WithLogger(silence{}))
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(conn)
}

// setData sets a node's data through one server.
func setData(z *ZooKeeper, path, data string) error {
	return onServer(z, func(conn *zk.Conn) error {
		if _, err := conn.Create(path, []byte(data), 0, zk.WorldACL(zk.PermAll)); err == nil {
			return nil
		}
		_, err := conn.Set(path, []byte(data), -1)
		return err
	})
}

// hasData returns an error unless the node has that data on a server.
func hasData(z *ZooKeeper, path, want string) error {
	return onServer(z, func(conn *zk.Conn) error {
		if _, err := conn.Sync(path); err != nil {
			return err
		}
		got, _, err := conn.Get(path)
		if err == nil && string(got) != want {
			err = fmt.Errorf("%s: %s is %q, want %q", z.Name(), path, got, want)
		}
		return err
	})
}

// otherLeader waits until the ensemble has a leader other than the one at old.
func otherLeader(t *testing.T, e *ZooKeeperEnsemble, old int) (leader int) {
	t.Helper()
	eventually(t, "another server leads", func() error {
		var err error
		if leader, err = e.Leader(t.Context()); err == nil && leader == old {
			err = fmt.Errorf("server %d still leads", old)
		}
		return err
	})
	return leader
}

func TestZooKeeperEnsemble(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	const members = 3
	e, err := s.ZooKeeperEnsemble(t.Context(), "ensemble", members)
	if err != nil {
		t.Fatal(err)
	}
	first := otherLeader(t, e, -1)
	follower, other := e.Servers[(first+1)%members], e.Servers[(first+2)%members]
	eventually(t, "a follower writes", func() error { return setData(follower, "/node", "one") })
	eventually(t, "another reads", func() error { return hasData(other, "/node", "one") })

	if err := e.Servers[first].Kill(); err != nil {
		t.Fatal(err)
	}
	otherLeader(t, e, first)
	eventually(t, "those left write", func() error { return setData(follower, "/node", "two") })
	if err := e.Servers[first].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lost leader is back", func() error { return hasData(e.Servers[first], "/node", "two") })

	// Killed all at once, they lose nothing that they have acknowledged.
	g, ctx := errgroup.WithContext(t.Context())
	for _, z := range e.Servers {
		if err := z.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if leader, err := e.Leader(t.Context()); err == nil {
		t.Errorf("Leader() = %d although none is there", leader)
	}
	for _, z := range e.Servers {
		g.Go(func() error { return z.Restart(ctx) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, z := range e.Servers {
		eventually(t, "the data is still there", func() error { return hasData(z, "/node", "two") })
	}

	// A frozen leader is replaced like a dead one.
	frozen := otherLeader(t, e, -1)
	if err := e.Servers[frozen].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	otherLeader(t, e, frozen)
	mustLeaveNothing(t, s)
}

func TestZooKeeperEnsemble_tooSmall(t *testing.T) {
	t.Parallel()
	if _, err := mustOpen(t).ZooKeeperEnsemble(t.Context(), "ensemble", 1); err == nil {
		t.Error("ZooKeeperEnsemble() = nil for one server")
	}
}

// If one member's port is taken, all members get other ports.
func TestZooKeeperEnsemble_portTaken(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	stranger, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	asked := 0
	s.ports = func(n int) ([]int, error) {
		ports, err := FreePorts(n)
		if asked++; err == nil && asked == 1 {
			ports[0] = portOf(stranger)
		}
		return ports, err
	}
	e, err := s.ZooKeeperEnsemble(t.Context(), "ensemble", 2)
	if err != nil {
		t.Fatal(err)
	}
	if addrs := strings.Join(e.Addrs, " "); asked != 2 || strings.Contains(addrs, stranger.Addr().String()) {
		t.Errorf("servers on %s after %d tries, a stranger on %s", addrs, asked, stranger.Addr())
	}
}
