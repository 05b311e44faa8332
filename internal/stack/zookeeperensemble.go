package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// ZooKeeperEnsemble is ZooKeeper servers that hold the same data and of which a majority elects
// a leader. Their sessions are as those of ZooKeeper.
type ZooKeeperEnsemble struct {
	// Servers in the order of their numbers, from 1. A restarted one is ready once it is part
	// of a majority: if many have ended, restart as many at once as that takes.
	Servers []*ZooKeeper
	Addrs   []string // host:port of the servers
}

// Further settings of a member: it has 10 s to join and may be 3 s behind, so that a busy
// machine counts as healthy and a frozen leader is still abandoned soon.
const zooMemberSettings = `initLimit=50
syncLimit=15
`

// zooMemberHeap is small, since there are many.
const zooMemberHeap = "-Xmx128m"

// zooMemberPorts: for clients, for the leader, and for elections.
const zooMemberPorts = 3

// ZooKeeperEnsemble starts n servers, at least two, and waits until each of them
// leads or follows. Their names are the ensemble's with -1 to -n behind. If one
// does not start, the error says why and none is left running.
func (s *Stack) ZooKeeperEnsemble(ctx context.Context, name string, n int) (*ZooKeeperEnsemble, error) {
	if n < 2 {
		return nil, fmt.Errorf("start %s: an ensemble of %d", name, n)
	}
	if err := s.find.need(zooKeeperName); err != nil {
		return nil, err
	}
	names, dirs, err := s.ensembleFolders(name, n)
	if err != nil {
		return nil, err
	}
	e := &ZooKeeperEnsemble{}
	err = s.onFreePorts(zooMemberPorts*n, func(ports []int) error {
		e.Servers, e.Addrs = make([]*ZooKeeper, n), make([]string, n)
		peers := ensemblePeers(ports)
		return startGroup(ctx, name, func(ctx context.Context, members *group) error {
			return members.start(ctx, n, func(ctx context.Context, i int) (*Process, error) {
				port, dir := ports[zooMemberPorts*i], dirs[i]
				z := &ZooKeeper{Addr: address(port)}
				e.Servers[i], e.Addrs[i] = z, z.Addr
				settings := fmt.Sprintf(zooSettings, dir, port) + zooMemberSettings + peers
				var err error
				z.Process, err = s.startZooKeeper(ctx, names[i], dir, zooMemberHeap, settings,
					func(ctx context.Context) error { return zooMemberReady(ctx, z.Addr, dir) })
				return z.Process, err
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// ensembleFolders makes the members' folders, each with its number.
func (s *Stack) ensembleFolders(name string, n int) (names, dirs []string, err error) {
	for i := range n {
		number := strconv.Itoa(i + 1)
		member := name + "-" + number
		dir, err := s.folder(member, nil)
		if err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "myid"), []byte(number), 0o600); err != nil {
			return nil, nil, fmt.Errorf("number %s: %w", member, err)
		}
		names, dirs = append(names, member), append(dirs, dir)
	}
	return names, dirs, nil
}

// ensemblePeers returns the settings that tell each member the addresses of all.
func ensemblePeers(ports []int) string {
	var text strings.Builder
	for i := range len(ports) / zooMemberPorts {
		of := ports[zooMemberPorts*i:]
		fmt.Fprintf(&text, "server.%d=%s:%d:%d\n", i+1, loopback, of[1], of[2])
	}
	return text.String()
}

// zooMemberReady makes sure that the server whose data is in dir serves as part
// of a majority.
func zooMemberReady(ctx context.Context, addr, dir string) error {
	if err := zooKeeperReady(ctx, addr, dir); err != nil {
		return err
	}
	mode, err := zooKeeperMode(ctx, addr)
	if err == nil && mode != "leader" && mode != "follower" {
		err = fmt.Errorf("%s: the mode is %s", addr, mode)
	}
	return err
}

// Leader returns the index in Servers of the leader. It is an error if there is none, such as
// during an election, or more than one server claims to lead; a server that does not answer
// within 2 s does not count.
func (e *ZooKeeperEnsemble) Leader(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	modes, errs := make([]string, len(e.Addrs)), make([]error, len(e.Addrs))
	var wg sync.WaitGroup
	for i, addr := range e.Addrs {
		wg.Go(func() { modes[i], errs[i] = zooKeeperMode(ctx, addr) })
	}
	wg.Wait()
	leader := -1
	for i, mode := range modes {
		switch {
		case mode != "leader":
		case leader >= 0:
			return 0, fmt.Errorf("servers %d and %d of the ensemble both lead", leader, i)
		default:
			leader = i
		}
	}
	if leader < 0 {
		return 0, errors.Join(append(errs, errors.New("the ensemble has no leader"))...)
	}
	return leader, nil
}
