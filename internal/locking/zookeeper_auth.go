package locking

import (
	"errors"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkScheme is ZooKeeper's way of telling users apart by name and password.
const zkScheme = "digest"

// zkACL returns who may do what with the nodes: their user everything, and the
// others nothing.
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

// prove shows the servers once who this client is, and again until they have
// heard it; from then on the client does so by itself whenever it connects.
// Until then nothing is asked of them: the nodes would be out of reach.
func (z *ZooKeeper) prove(auth string) {
	for z.workers.life.Err() == nil {
		if z.conn.AddAuth(zkScheme, []byte(auth)) == nil {
			z.status.proved()
			return
		}
		pause(z.workers.life, 10*time.Millisecond) // the connection was lost; with none it would have waited
	}
}
