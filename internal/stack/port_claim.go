package stack

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// claims are the ports that this process has drawn. A server does not listen on each
// of its own all the time (a member of an ensemble that comes to lead only then, one
// that is restarted not meanwhile), and somebody who draws it as a free one would keep
// it from coming back.
var claims struct {
	mu   sync.Mutex
	mine map[int]bool
	file *os.File // with a lock on the byte of each; nil: others are not told
	open sync.Once
}

// claim takes a port for this process until it ends, and reports false if it has that
// already, or another process of this user's has. The system gives locks up with the
// process, however that ends.
func claim(port int) bool {
	claims.open.Do(func() {
		claims.mine = map[int]bool{}
		name := filepath.Join(os.TempDir(), "orderd-stack-ports-"+strconv.Itoa(os.Getuid()))
		claims.file, _ = os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) // without it two at a time may meet, which is rare
	})
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if claims.mine[port] {
		return false
	}
	if claims.file != nil {
		lock := &syscall.Flock_t{Type: syscall.F_WRLCK, Start: int64(port), Len: 1}
		if syscall.FcntlFlock(claims.file.Fd(), syscall.F_SETLK, lock) != nil {
			return false
		}
	}
	claims.mine[port] = true
	return true
}
