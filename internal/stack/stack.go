// Package stack starts throwaway servers as child processes: PostgreSQL, Redis
// and ZooKeeper, alone or in groups that replace a member that is lost, and any
// other program that needs the same care.
//
// Servers listen on free loopback ports, keep their data and logs in one
// temporary folder, and count as started once they answer their own protocol.
// Nothing outlives the process that opened the stack, not even when it is
// killed: a guard process then ends the servers and removes the folder.
package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// ErrClosed is returned when something is started on a stack that was closed.
var ErrClosed = errors.New("stack: closed")

// closeLimit bounds how long Close waits for processes to end by themselves. They are told to
// end fast, since none of their data is kept.
const closeLimit = 5 * time.Second

// A Stack is a temporary folder and the processes that use it. Its methods may be called from
// many goroutines at once.
type Stack struct {
	dir   string
	guard *guard
	user  *syscall.Credential // what PostgreSQL runs as; nil: as this process
	find  finder
	ports func(n int) ([]int, error)

	closeOnce func() error

	mu     sync.Mutex
	closed bool
	runs   []*run
}

// Open makes a private temporary folder and the guard that outlives this
// process. The caller closes the stack.
func Open() (*Stack, error) {
	user, err := serverUser()
	if err != nil {
		return nil, err
	}
	base, err := tempBase(user)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(base, func(r rune) bool { return r == '\\' || r > unicode.MaxASCII }) {
		return nil, fmt.Errorf("the folder for temporary files, %q: ZooKeeper cannot be told of names with a backslash or with other letters than ASCII: set TMPDIR to another", base)
	}
	// The name is chosen first and the folder made last, so that there is no
	// moment at which the folder exists and the guard does not.
	dir := filepath.Join(base, "orderd-stack-"+strings.ToLower(rand.Text()))
	g, err := newGuard(dir)
	if err != nil {
		return nil, err
	}
	s := &Stack{dir: dir, guard: g, user: user, find: defaultFinder(), ports: FreePorts}
	s.closeOnce = sync.OnceValue(s.close)
	// Others may pass through, which the servers' user needs, but not look.
	if err := errors.Join(os.Mkdir(dir, 0o711), os.Mkdir(filepath.Join(dir, "logs"), 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the stack's folder: %w", err), g.close())
	}
	return s, nil
}

// Dir is the stack's folder. Logs are in <Dir>/logs/<name>.log until Close.
func (s *Stack) Dir() string { return s.dir }

// SaveLogs copies the logs of all processes into dir.
func (s *Stack) SaveLogs(dir string) error {
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.dir, "logs"))); err != nil {
		return fmt.Errorf("save the logs: %w", err)
	}
	return nil
}

// Close ends every process, all at once, and removes the folder. It returns
// within 30 s whatever the processes do; calling it again has no effect.
func (s *Stack) Close() error { return s.closeOnce() }

func (s *Stack) close() error {
	s.mu.Lock()
	s.closed = true
	runs := s.runs
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var wg sync.WaitGroup
	for _, r := range runs {
		// An error says that it had to be killed, which does no harm: none of its data is kept.
		wg.Go(func() { _ = r.end(ctx, r.discard) })
	}
	wg.Wait()
	if err := s.guard.close(); err != nil {
		return err
	}
	if _, err := os.Lstat(s.dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("stack: folder %s was not removed", s.dir)
	}
	return nil
}

// folder makes the data folder of a server, which only its user may enter.
func (s *Stack) folder(name string, user *syscall.Credential) (string, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data folder of %s: %w", name, err)
	}
	if user == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(user.Uid), int(user.Gid)); err != nil {
		return "", fmt.Errorf("hand over the data folder of %s: %w", name, err)
	}
	return dir, nil
}
