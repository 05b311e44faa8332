package locks

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
)

// module is the folder of lockbench below the main module's.
const module = "loadtest/lockbench"

// starters start the servers that contenders need, and return the flags that tell lockbench
// where they are.
var starters = map[string]func(context.Context, *stack.Stack) (string, error){
	onRedis: func(ctx context.Context, s *stack.Stack) (string, error) {
		r, err := s.Redis(ctx, "redis")
		if err != nil {
			return "", err
		}
		return "--redis=" + r.Addr, nil
	},
	onZooKeeper: func(ctx context.Context, s *stack.Stack) (string, error) {
		z, err := s.ZooKeeper(ctx, "zookeeper")
		if err != nil {
			return "", err
		}
		return "--zookeeper=" + z.Addr, nil
	},
	onMasters: func(ctx context.Context, s *stack.Stack) (string, error) {
		masters := make([]string, 5) // two may fail
		for i := range masters {
			r, err := s.Redis(ctx, "redis-master-"+strconv.Itoa(i+1))
			if err != nil {
				return "", err
			}
			masters[i] = r.Addr
		}
		return "--masters=" + strings.Join(masters, ","), nil
	},
	onPostgres: func(ctx context.Context, s *stack.Stack) (string, error) {
		p, err := s.Postgres(ctx, "postgres")
		if err != nil {
			return "", err
		}
		return "--postgres=" + p.URL, createTokens(ctx, p.URL)
	},
}

// createTokens creates the sequence from which locks in Postgres take their fencing tokens,
// as orderd's migrations would.
func createTokens(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE SEQUENCE orderd_lock_token"); err != nil {
		return fmt.Errorf("make the sequence of tokens: %w", err)
	}
	return nil
}

// A Lab is the servers, and the program that measures locks on them.
type Lab struct {
	stack   *stack.Stack
	program string
	where   []string // arguments of the program
	samples int      // taken so far; each has its own key
}

// Open starts the servers that the contenders need. program is the path of lockbench, which
// is built if that is empty. The caller closes the lab.
func Open(ctx context.Context, program string, contenders []Contender) (_ *Lab, err error) {
	s, err := stack.Open()
	if err != nil {
		return nil, err
	}
	l := &Lab{stack: s}
	defer func() {
		if err != nil {
			_ = l.Close() // the first error matters more
		}
	}()
	var mu sync.Mutex
	starting, ctx := errgroup.WithContext(ctx)
	for _, server := range serversOf(contenders) {
		starting.Go(func() error {
			where, err := starters[server](ctx, s)
			mu.Lock()
			defer mu.Unlock()
			l.where = append(l.where, where)
			return err
		})
	}
	starting.Go(func() (err error) {
		if program == "" {
			l.program, err = build(ctx, s.Dir())
			return err
		}
		l.program, err = filepath.Abs(program)
		return err
	})
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	return l, nil
}

// build compiles lockbench into dir and returns the binary's path. It only works in a
// checkout of the source.
func build(ctx context.Context, dir string) (string, error) {
	// The main module's folder, from wherever in it this runs.
	root, err := tool(ctx, "list", "-m", "-f", "{{.Dir}}", "orderd")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "lockbench")
	_, err = tool(ctx, "build", "-C", filepath.Join(root, module), "-trimpath", "-o", binary, ".")
	return binary, err
}

func tool(ctx context.Context, args ...string) (string, error) {
	var complaints strings.Builder
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build %s (name a binary with --lockbench instead): %w\n%s",
			module, err, strings.TrimSpace(complaints.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// Close ends the servers and removes their files.
func (l *Lab) Close() error { return l.stack.Close() }

// SaveLogs copies the servers' logs into dir.
func (l *Lab) SaveLogs(dir string) error { return l.stack.SaveLogs(dir) }
