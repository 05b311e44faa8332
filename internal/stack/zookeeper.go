package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ZooKeeper is a standalone ZooKeeper server whose sessions may last from 0.4
// to 60 s, and which expires them within about 0.2 s.
type ZooKeeper struct {
	*Process
	Addr string // host:port
}

// The folder's configuration files. The settings are Java properties; the other file quiets
// Logback, which some packages include and which logs everything by default.
const (
	zooSettings = `dataDir=%s
clientPort=%d
clientPortAddress=127.0.0.1
tickTime=200
minSessionTimeout=400
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=ruok,srvr,mntr,conf,dump
`
	zooLogback = `<configuration>
  <appender name="err" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%d %-5p %c: %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="err"/></root>
</configuration>
`
)

// zooHeap is the most memory that a server's data may take.
const zooHeap = "-Xmx256m"

// ZooKeeper starts a ZooKeeper server.
func (s *Stack) ZooKeeper(ctx context.Context, name string) (*ZooKeeper, error) {
	if err := s.find.need(zooKeeperName); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	z := &ZooKeeper{}
	err = s.onFreePorts(1, func(ports []int) error {
		z.Addr = address(ports[0])
		var err error
		z.Process, err = s.startZooKeeper(ctx, name, dir, zooHeap, fmt.Sprintf(zooSettings, dir, ports[0]),
			func(ctx context.Context) error { return zooKeeperReady(ctx, z.Addr, dir) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return z, nil
}

// startZooKeeper starts a server in dir, alone or as a member of an ensemble, depending on its
// settings.
func (s *Stack) startZooKeeper(ctx context.Context, name, dir, heap, settings string, ready func(context.Context) error) (*Process, error) {
	file := filepath.Join(dir, "zoo.cfg")
	logback := filepath.Join(dir, "logback.xml")
	err := errors.Join(
		os.WriteFile(file, []byte(settings), 0o600),
		os.WriteFile(logback, []byte(zooLogback), 0o600))
	if err != nil {
		return nil, fmt.Errorf("write ZooKeeper's settings: %w", err)
	}
	java, jar := s.find.zooKeeper()
	return s.Start(ctx, Command{
		Name: name,
		Path: java,
		Args: []string{
			// A virtual machine that starts fast, stays small, and leaves no
			// file of performance counters outside the folder.
			"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", heap, "-XX:-UsePerfData",
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
			"-Dlogback.configurationFile=" + logback,
			"-cp", classPath(jar), "org.apache.zookeeper.server.quorum.QuorumPeerMain", file,
		},
		Ready: ready,
	})
}

// zooKeeperReady makes sure that the server serves and is the one whose data is
// in dir.
func zooKeeperReady(ctx context.Context, addr, dir string) error {
	answer, err := ask(ctx, addr, "conf")
	if err != nil {
		return err
	}
	if !strings.Contains(answer, "dataDir="+dir+string(filepath.Separator)) {
		return fmt.Errorf("unexpected answer of ZooKeeper: %q", answer)
	}
	return nil
}

// zooKeeperMode returns the role of a server: standalone, leader or follower. It is an error if
// the server has none, such as during an election.
func zooKeeperMode(ctx context.Context, addr string) (string, error) {
	answer, err := ask(ctx, addr, "srvr")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(answer) {
		if mode, ok := strings.CutPrefix(line, "Mode: "); ok {
			return strings.TrimSpace(mode), nil
		}
	}
	return "", fmt.Errorf("%s: unexpected answer of ZooKeeper: %q", addr, answer)
}

// Ephemerals returns the paths of the ephemeral nodes, which are deleted with their sessions.
func (z *ZooKeeper) Ephemerals(ctx context.Context) ([]string, error) {
	answer, err := ask(ctx, z.Addr, "dump")
	if err != nil {
		return nil, err
	}
	_, nodes, found := strings.Cut(answer, "ephemeral nodes dump:")
	if !found {
		return nil, fmt.Errorf("%s: unexpected answer of ZooKeeper: %q", z.Addr, answer)
	}
	var paths []string
	for line := range strings.Lines(nodes) {
		if path := strings.TrimSpace(line); strings.HasPrefix(path, "/") {
			paths = append(paths, path)
		}
	}
	return paths, nil
}
