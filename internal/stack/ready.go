package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Readiness is polled often, since tests wait for it, and each poll is bounded, since a server
// that is starting may accept a connection and not answer.
const (
	readyEvery = 10 * time.Millisecond
	readyLimit = 2 * time.Second
)

// ErrExited is part of the error of a start whose program ended before it was
// ready: such as one that found its port taken.
var ErrExited = errors.New("ended before it was ready")

// quotedLog is how much of the end of a log an error quotes, in bytes.
const quotedLog = 2000

// awaitReady polls ready until it returns nil, or until ctx ends or one of the
// runs does.
func awaitReady(ctx context.Context, ready func(context.Context) error, runs ...*run) error {
	again := time.NewTicker(readyEvery)
	defer again.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, readyLimit)
		err := ready(attempt)
		cancel()
		// Even if it is ready: what answered may be another program, on a port that was taken.
		for _, r := range runs {
			if r.ended() {
				return fmt.Errorf("%s %w: %v", r.name, ErrExited, r.cmd.ProcessState)
			}
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w; last answer: %w", ctx.Err(), err)
		case <-again.C:
		}
	}
}

// quoteLog returns an error that quotes the last lines of this run's output.
func (r *run) quoteLog() error {
	f, err := os.Open(r.log)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	from := max(r.logFrom, info.Size()-quotedLog)
	text, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return errors.New("its log is empty")
	}
	return fmt.Errorf("its log ends:\n%s", strings.TrimSpace(string(text)))
}

// ask sends a text and returns all that is answered until the server closes
// the connection.
func ask(ctx context.Context, addr, text string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
