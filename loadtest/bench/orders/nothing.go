package orders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/load"
)

// nothingAnswer is a refusal as orderd writes it.
const nothingAnswer = `{"title":"Conflict","status":409,"detail":"only 0 of 1 units of C1-1 are left","code":"sold_out",` +
	`"retryable":false,"sku":"C1-1","requested":1,"remaining":0}`

// ServeNothing serves on a loopback port until ctx ends: it reads each request's body and
// refuses it, and does nothing else. It is the most that a server in Go can do on this
// machine.
func ServeNothing(ctx context.Context, port int) error {
	debug.SetGCPercent(400) // as orderd does: the default takes a good part of the processor
	server := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // an incomplete body gets the same answer
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, nothingAnswer)
		}),
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// nothing measures that server, in a process of its own.
func (l *Lab) nothing(ctx context.Context, s Scenario, warmUp, window time.Duration) (m Measurement, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	ports, err := stack.FreePorts(1)
	if err != nil {
		return m, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	server, err := l.fleet.Run(ctx, stack.Command{
		Name: "nothing", Path: self, Args: []string{"nothing", fmt.Sprintf("--port=%d", ports[0])},
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, server.Stop(ctx)) }()
	s.SoldOut = true // which is its answer
	m, _, err = s.rush(ctx, load.Generator{Targets: []string{address}, Clients: s.Clients, Lasts: warmUp + window, SKUs: []string{"C1-1"}}, warmUp, window)
	return m, err
}
