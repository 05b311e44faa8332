package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"orderd/internal/access"
)

// An edge is what stands between the API and the network.
type edge struct {
	keys    *access.Keys   // nil: every route is open
	limits  *access.Limits // nil: none
	tls     *tls.Config    // nil: none
	changes *reloader      // reloads these from their files
}

func (c *serveCommand) openEdge(log *slog.Logger) (*edge, error) {
	e := &edge{limits: c.openLimits(), changes: &reloader{log: log}}
	var err error
	if e.keys, err = c.openKeys(e.changes); err != nil {
		return nil, err
	}
	if e.tls, err = c.openTLS(e.changes); err != nil {
		return nil, err
	}
	return e, nil
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// apiServer returns the server of the API, with TLS if there are settings for it.
func (c *serveCommand) apiServer(api http.Handler, tlsConfig *tls.Config, log *slog.Logger) *http.Server {
	s := newServer(api, log)
	s.TLSConfig = tlsConfig
	s.ConnState = memory.connState
	if tlsConfig == nil && !loopback(c.Listen) {
		log.Warn("serving without TLS: a proxy in front has to terminate it, or API keys cross the network in clear text")
	}
	return s
}

// serveOn serves until the server is shut down.
func serveOn(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "") // the certificate is in the settings
	}
	return s.Serve(l)
}

// newServer returns a server that no client can keep waiting for long: one that sends a header
// or a body too slowly is cut off.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // in HTTP/2 a connection carries many requests, and has other limits than these
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second, // longer than any request may take, and than a CPU profile
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    12 << 10, // 16 KiB: the server adds 4 for its read buffer
		// Messages about broken connections quote the client's bytes, which the logger escapes.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelInfo),
	}
}

// inBackground runs f until stop, which waits for f to return.
func inBackground(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
