package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Clients that use up the API's connections keep no probe out: it would have every replica
// restarted.
func TestServe_ProbesAreAnsweredWhenConnectionsAreUsedUp(t *testing.T) {
	t.Parallel()
	const most = 4
	r := newDeployment(t).start(t, "r1", "none", "--max-connections", "4")
	for range most {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		resp, err := get(t.Context(), r.admin+path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s at the admin listener = %s, want 200", path, resp.Status)
		}
	}
}
