package locking

import (
	"errors"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkScheme is ZooKeeper's authentication by name and password.
const zkScheme = "digest"

// zkACL returns who may do what with the nodes: the user of auth everything and the others
// nothing, or everybody everything if auth is empty.
func zkACL(auth string) ([]zk.ACL, error) {
	if auth == "" {
		return zk.WorldACL(zk.PermAll), nil
	}
	user, password, ok := strings.Cut(auth, ":")
	if !ok || user == "" || password == "" {
		return nil, errors.New("lock zookeeper: auth must be user:password")
	}
	return zk.DigestACL(zk.PermAll, user, password), nil
}

// prove authenticates the client, and tries again until that succeeds; from then on the
// client does so by itself whenever it connects. Until then no other requests are made: the
// nodes would be inaccessible.
func (z *ZooKeeper) prove(auth string) {
	for z.workers.life.Err() == nil {
		if z.conn.AddAuth(zkScheme, []byte(auth)) == nil {
			z.status.proved()
			return
		}
		pause(z.workers.life, 10*time.Millisecond) // the connection was lost; without one AddAuth would have waited
	}
}
