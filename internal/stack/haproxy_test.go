package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestHAProxy(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	config := func(port int) string {
		return fmt.Sprintf(`defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend one
    bind 127.0.0.1:%d
    http-request return status 200 content-type text/plain string "it is me"
`, port)
	}
	ready := func(ctx context.Context, addr string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, http.NoBody)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	h, err := s.HAProxy(t.Context(), "balancer", config, ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context(), h.Addr); err != nil {
		t.Error(err)
	}
	if _, err := s.HAProxy(t.Context(), "wrong", func(int) string { return "nonsense\n" }, ready); !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("HAProxy with a wrong configuration = %v, want that it ended, and what it said", err)
	}
	if found := FindHAProxy(); found.Path == "" || found.Install != "" || !versionNumber.MatchString(found.Version) {
		t.Errorf("FindHAProxy = %+v", found)
	}
	s.find = finder{}
	if _, err := s.HAProxy(t.Context(), "none", config, ready); len(missingServers(t, err)) != 1 || !strings.Contains(err.Error(), "haproxy") {
		t.Errorf("HAProxy where there is none = %v, want how to install it", err)
	}
}
