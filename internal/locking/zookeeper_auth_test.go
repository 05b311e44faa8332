package locking_test

import (
	"errors"
	"path"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// The locks' nodes are their user's: nobody else can see them, delete them or enter a queue,
// while the replicas, which all are that user, can lock and release.
func TestZooKeeper_NodesAreTheirUsersAlone(t *testing.T) {
	t.Parallel()
	// A server of its own: the nodes above the locks would shut the other tests out.
	server, err := stacktest.Stack(t).ZooKeeper(t.Context(), "auth-zookeeper")
	if err != nil {
		t.Fatal(err)
	}
	const auth = "orderd:word:with:colons"
	open := func(auth string) *locking.ZooKeeper {
		z, err := locking.NewZooKeeper(locking.ZooKeeperConfig{
			Servers: []string{server.Addr}, SessionTimeout: 5 * time.Second, Owner: "test", Auth: auth,
		})
		return closing(t, z, err)
	}
	first, second := connected(t, open(auth)), connected(t, open(auth))
	lease := mustHold(t, first, "A-1")
	folders := []string{"/"}
	for name, credentials := range map[string]string{"nobody": "", "somebody else": "orderd:guess"} {
		conn := zkClient(t, server.Addr)
		if credentials != "" {
			if err := conn.AddAuth("digest", []byte(credentials)); err != nil {
				t.Fatal(err)
			}
		}
		folders = folders[:1]
		for i := 0; i < len(folders); i++ {
			children, _, err := conn.Children(folders[i])
			if err != nil {
				if !errors.Is(err, zk.ErrNoAuth) {
					t.Errorf("%s lists %s: %v", name, folders[i], err)
				}
				continue
			}
			for _, child := range children {
				if child != "zookeeper" {
					folders = append(folders, path.Join(folders[i], child))
				}
			}
		}
		if len(folders) < 2 {
			t.Fatal("there are no nodes of the locks")
		}
		top := folders[1]
		_, created := conn.Create(path.Join(top, "intruder"), nil, 0, zk.WorldACL(zk.PermAll))
		_, set := conn.Set(top, nil, -1)
		_, acl := conn.SetACL(top, zk.WorldACL(zk.PermAll), -1)
		_, _, got := conn.Get(top)
		for what, err := range map[string]error{"create": created, "set": set, "set the ACL": acl, "get": got} {
			if !errors.Is(err, zk.ErrNoAuth) {
				t.Errorf("%s may %s: %v", name, what, err)
			}
		}
		if len(folders) > 2 {
			t.Errorf("%s sees %q", name, folders)
		}
		other := open(credentials)
		if _, err := other.Acquire(t.Context(), "A-1"); err == nil {
			t.Errorf("%s took a turn at the lock", name)
		}
	}
	if err := lease.Check(0); err != nil {
		t.Errorf("the lease was harmed: %v", err)
	}
	lockingtest.MustRelease(t, lease)
	next, err := second.Acquire(t.Context(), "A-1")
	if err != nil {
		t.Fatalf("the next replica of the user: %v", err)
	}
	lockingtest.MustRelease(t, next)
	// A new connection has to be authenticated again.
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lease, err = connected(t, first).Acquire(t.Context(), "A-1"); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	lockingtest.MustRelease(t, lease)
}

func TestNewZooKeeper_RefusesAuthThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"user", ":password", "user:", ":"} {
		_, err := locking.NewZooKeeper(locking.ZooKeeperConfig{
			Servers: []string{"no-such-host.invalid"}, SessionTimeout: time.Second, Owner: "a", Auth: auth,
		})
		if err == nil {
			t.Errorf("NewZooKeeper with auth %q = nil", auth)
		}
	}
}
