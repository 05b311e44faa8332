package locks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderd/loadtest/bench/sample"
)

// sampleLimit is how long a sample may take besides its window: to connect, and for the last
// turns to be granted.
const sampleLimit = 90 * time.Second

// A Setting is how many waiters want the lock, and how long each holds it.
type Setting struct {
	Processes int           `json:"processes"`
	Waiters   int           `json:"waiters"` // per process
	Hold      time.Duration `json:"hold_ns"`
}

// take has the contender's processes take turns for a window, and returns the sample of each.
func (l *Lab) take(ctx context.Context, c Contender, s Setting, p Plan) ([]sample.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit+p.warmUp()+p.Window)
	l.samples++
	name := "bench-" + strconv.Itoa(l.samples)
	args := append([]string{
		"--contender", c.Name, "--key", name, "--referee", filepath.Join(l.stack.Dir(), name),
		"--waiters", strconv.Itoa(s.Waiters), "--hold", s.Hold.String(),
		"--warm-up", p.warmUp().String(), "--window", p.Window.String(),
	}, l.where...)

	processes := make([]*process, 0, s.Processes)
	defer func() {
		cancel()
		for _, p := range processes {
			_ = p.end() // it has been killed by now, if it had not ended
		}
	}()
	for range s.Processes {
		p, err := start(ctx, l.program, args)
		if err != nil {
			return nil, err
		}
		processes = append(processes, p)
	}
	// If one fails the others are worth nothing, and are ended.
	each := func(do func(i int, p *process) error) error {
		var g errgroup.Group
		for i, p := range processes {
			g.Go(func() error {
				err := do(i, p)
				if err != nil {
					cancel()
				}
				return err
			})
		}
		return g.Wait()
	}
	if err := each(func(_ int, p *process) error { return p.ready() }); err != nil {
		return nil, err
	}
	samples := make([]sample.Sample, s.Processes)
	err := each(func(i int, p *process) (err error) {
		samples[i], err = p.sample()
		return err
	})
	return samples, err
}

// A process is a running lockbench. It ends when its input does, so that it
// cannot outlive the laboratory.
type process struct {
	in   io.WriteCloser
	out  *bufio.Reader
	said *bytes.Buffer // on stderr; complete after end
	end  func() error  // ends the input and waits for the process to end
}

func start(ctx context.Context, program string, args []string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	p := &process{said: &bytes.Buffer{}}
	cmd.Stderr = p.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start lockbench: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start lockbench: %w", err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	p.end = sync.OnceValue(func() error {
		in.Close()
		return cmd.Wait()
	})
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start lockbench: %w", err)
	}
	return p, nil
}

// ready waits until the process is ready to begin.
func (p *process) ready() error {
	if _, err := p.out.ReadString('\n'); err != nil {
		return p.explain(err)
	}
	return nil
}

// sample has the process begin, and returns its result.
func (p *process) sample() (s sample.Sample, err error) {
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		return s, p.explain(err)
	}
	if err := json.NewDecoder(p.out).Decode(&s); err != nil {
		return s, p.explain(err)
	}
	if err := p.end(); err != nil {
		return s, p.explain(err)
	}
	return s, nil
}

// explain adds to an error how the process ended, and what it wrote to stderr.
func (p *process) explain(err error) error {
	ended := p.end()
	return fmt.Errorf("lockbench: %w (%w)\n%s", err, ended, strings.TrimSpace(p.said.String()))
}
