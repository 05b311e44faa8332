package stack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SecureZooKeeper is a ZooKeeper that clients reach by TLS. (Its plaintext port, Addr, is for
// the stack's own readiness checks.)
type SecureZooKeeper struct {
	*ZooKeeper
	SecureAddr string // host:port
}

// zooSecure is added to a server's settings. Only the Netty factory supports TLS.
const zooSecure = zooSettings + `serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
secureClientPort=%d
secureClientPortAddress=127.0.0.1
ssl.keyStore.location=%s
ssl.keyStore.type=PEM
ssl.clientAuth=none
`

// shakesHands connects by TLS.
func (z *SecureZooKeeper) shakesHands(ctx context.Context, ca *Authority) error {
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: ca.Pool()}}).DialContext(ctx, "tcp", z.SecureAddr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// SecureZooKeeper starts a ZooKeeper server with a certificate of the authority.
func (s *Stack) SecureZooKeeper(ctx context.Context, name string, ca *Authority) (*SecureZooKeeper, error) {
	if err := s.find.need(zooKeeperName); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := ca.Issue(name)
	if err != nil {
		return nil, err
	}
	cert, err1 := os.ReadFile(certFile)
	key, err2 := os.ReadFile(keyFile)
	both := filepath.Join(dir, "server.pem")
	if err := errors.Join(err1, err2, os.WriteFile(both, append(key, cert...), 0o600)); err != nil {
		return nil, fmt.Errorf("write ZooKeeper's certificate: %w", err)
	}
	z := &SecureZooKeeper{ZooKeeper: &ZooKeeper{}}
	err = s.onFreePorts(2, func(ports []int) error {
		z.Addr, z.SecureAddr = address(ports[0]), address(ports[1])
		var err error
		z.Process, err = s.startZooKeeper(ctx, name, dir, zooHeap, fmt.Sprintf(zooSecure, dir, ports[0], ports[1], both),
			func(ctx context.Context) error {
				if err := zooKeeperReady(ctx, z.Addr, dir); err != nil {
					return err
				}
				return z.shakesHands(ctx, ca) // it opens this port after the other
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return z, nil
}
