package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// dial opens a connection to the replica's API that is closed with the test.
func (r *replica) dial(t *testing.T) net.Conn {
	t.Helper()
	return dialTo(t, r.url)
}

func dialTo(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// raw sends bytes on a new connection and returns all that comes back until the
// server closes it.
func (r *replica) raw(t *testing.T, request string) string {
	t.Helper()
	conn := r.dial(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%.60q: the connection was still open after 30 s; answer %q", request, answer)
	}
	return string(answer)
}

// A client that sends too slowly is cut off, and the others do not notice.
func TestServe_CutsOffWhoeverSendsByDrops(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "redis")
	r.mustSet(t, "A-1", 10, "predicate")
	files := r.metric(t, "process_open_fds")
	begun := map[string]string{
		"header":        "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nX-Slow: ",
		"request line":  "GET /v1/stock",
		"body":          "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n",
		"chunked body":  "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3000\r\n",
		"body unwanted": "GET /v1/stock HTTP/1.1\r\nHost: shop\r\nContent-Length: 16000\r\n\r\n",
	}
	var drips sync.WaitGroup
	for what, start := range begun {
		for range 60 {
			conn := r.dial(t)
			if _, err := io.WriteString(conn, start); err != nil {
				t.Fatal(err)
			}
			cut := make(chan struct{})
			drips.Go(func() {
				defer close(cut)
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a %s by drops was still being read after 30 s", what)
				}
			})
			drips.Go(func() {
				drop := time.NewTicker(200 * time.Millisecond)
				defer drop.Stop()
				for {
					select {
					case <-cut:
						return
					case <-drop.C:
						_, _ = io.WriteString(conn, " ") // errors: cut is closed then
					}
				}
			})
		}
	}
	await(t, "the connections to be there", func() bool { return r.metric(t, "process_open_fds") >= files+200 })
	if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
		t.Errorf("an order meanwhile is answered %d %v, want 201", status, answer)
	}
	drips.Wait()
	await(t, "the connections to be closed", func() bool { return r.metric(t, "process_open_fds") <= files+20 })
}

// metric returns a metric that has no labels.
func (r *replica) metric(t *testing.T, name string) (value float64) {
	t.Helper()
	for line := range strings.Lines(read(t, r.admin+"/metrics")) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(text, &value); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("/metrics lacks %s", name)
	return 0
}

func TestServe_BoundsHeadersAndBodies(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "none")
	get := func(size int) string {
		return "GET /livez HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Long: " + strings.Repeat("a", size) + "\r\n\r\n"
	}
	if answer := r.raw(t, get(11<<10)); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("a header of 11 KiB is answered %.80q, want 200", answer)
	}
	if answer := r.raw(t, get(16<<10)); !strings.HasPrefix(answer, "HTTP/1.1 431") {
		t.Errorf("a header above 16 KiB is answered %.80q, want 431", answer)
	}
	many := "GET /livez HTTP/1.1\r\nHost: shop\r\n" + strings.Repeat("X-A: b\r\n", 3000) + "\r\n"
	if answer := r.raw(t, many); !strings.HasPrefix(answer, "HTTP/1.1 431") {
		t.Errorf("3,000 headers are answered %.80q, want 431", answer)
	}
	// raw returns when the server closes: it does not wait for the rest of a body that is too
	// large.
	post := "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
	if answer := r.raw(t, post+"Content-Length: 1000000000\r\n\r\n"+strings.Repeat(" ", 32<<10)); !strings.HasPrefix(answer, "HTTP/1.1 413") {
		t.Errorf("a body of 1 GB is answered %.80q, want 413", answer)
	}
	if answer := r.raw(t, post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1000\r\n"+strings.Repeat(" ", 0x1000)+"\r\n", 8)); !strings.HasPrefix(answer, "HTTP/1.1 413") {
		t.Errorf("a body of chunks without end is answered %.80q, want 413", answer)
	}
}

// A request whose end a proxy and orderd might see in different places (request smuggling) is
// refused, or is the last on its connection.
func TestServe_ReadsRequestsInOneWayOnly(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "none")
	const hidden = "GET /v1/stock/HIDDEN HTTP/1.1\r\nHost: shop\r\n\r\n"
	const post = "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
	for name, row := range map[string]struct {
		request string
		status  string // "": any
	}{
		"two lengths":            {post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nnull\r\n" + hidden, "400"},
		"length and chunks":      {post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, ""},
		"a coding unknown":       {post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, "501"},
		"two codings":            {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden, "501"},
		"a length with a sign":   {post + "Content-Length: +4\r\n\r\nnull" + hidden, "400"},
		"space before a colon":   {post + "Content-Length : 4\r\n\r\nnull" + hidden, "400"},
		"no host":                {"GET /livez HTTP/1.1\r\n\r\n" + hidden, "400"},
		"two hosts":              {"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + hidden, "400"},
		"a control in a header":  {"GET /livez HTTP/1.1\r\nHost: shop\r\nX-A: a\x00b\r\n\r\n" + hidden, "400"},
		"a folded header":        {"GET /livez HTTP/1.1\r\nHost: shop\r\n X-A: b\r\n\r\n" + hidden, "400"},
		"a chunk's size too big": {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden, "400"},
		"a chunk without a size": {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, "400"},
		"a chunk, elsewhere":     {"PUT /v1/stock/A HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, "400"},
	} {
		answer := r.raw(t, row.request)
		if row.status != "" && !strings.HasPrefix(answer, "HTTP/1.1 "+row.status) {
			t.Errorf("%s is answered %.100q, want %s", name, answer, row.status)
		}
		if n := strings.Count(answer, "HTTP/1.1 "); n != 1 || strings.Contains(answer, "HIDDEN") {
			t.Errorf("%s has %d answers: %q, want one", name, n, answer)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PATCH", "PURGE"} {
		answer := r.raw(t, method+" /v1/orders HTTP/1.1\r\nHost: shop\r\nX-Canary: CANARY\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 405") || strings.Contains(answer, "CANARY") {
			t.Errorf("%s is answered %.100q, want 405", method, answer)
		}
	}
}

func TestServe_BoundsConnections(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "none", "--max-connections", "2")
	for name, listener := range map[string]struct {
		url  string
		most int
	}{"API": {r.url, 2}, "admin": {r.admin, adminConnections}} {
		ask := func(conn net.Conn) error {
			if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: shop\r\n\r\n"); err != nil {
				return err
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		}
		var last net.Conn
		for range listener.most {
			last = dialTo(t, listener.url)
			if err := ask(last); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		further, answered := dialTo(t, listener.url), make(chan error, 1)
		go func() { answered <- ask(further) }()
		select {
		case err := <-answered:
			t.Errorf("%s: a connection was served (%v) beside %d that are open", name, err, listener.most)
			continue
		case <-time.After(300 * time.Millisecond): // if it were served, that would take far less
		}
		last.Close()
		if err := <-answered; err != nil {
			t.Errorf("%s: a connection was not served once there was room: %v", name, err)
		}
	}
}

// Requests cannot forge log lines: each line is one entry of the service, whatever they hold.
func TestServe_LogLinesCannotBeForged(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	for _, format := range []string{"json", "text"} {
		r := d.start(t, "forged-"+format, "none", "--log-level", "debug", "--log-format", format)
		const forged = `{"level":"ERROR","msg":"FORGED"}`
		for _, end := range []string{"%0a", "%0d%0a", "%e2%80%a8", "%1b[2K%0d", "%00"} {
			path := "/v1/stock/A" + end + strings.NewReplacer("{", "%7b", "}", "%7d", `"`, "%22").Replace(forged)
			r.raw(t, "GET "+path+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nUser-Agent: "+forged+
				"\r\nX-Request-Id: \\n"+forged+"\r\nAuthorization: Bearer \t"+forged+"\r\nIdempotency-Key: \\r\\n"+forged+"\r\n\r\n")
		}
		r.send(t, http.MethodPost, "/v1/orders", `{"lines":[{"sku":"A\nFORGED","quantity":1}]}`)
		// The HTTP server refuses these before any handler sees them.
		r.raw(t, "GET /livez HTTP/1.1\r\nHost: shop\r\nUser-Agent: \x1b[2K\x00"+forged+"\r\n\r\n")
		r.raw(t, "GET /\x1b[2K HTTP/1.1\r\nHost: \r\n\r\n")
		await(t, "the requests to be logged", func() bool { return strings.Count(r.log(t), "/v1/stock/{sku}") >= 5 })
		for line := range strings.Lines(r.log(t)) {
			var entry map[string]any
			whole := json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] != "FORGED" && entry["replica"] != nil
			if format == "text" {
				whole = strings.HasPrefix(line, "time=") && strings.Contains(line, " replica=forged-text")
			}
			if !whole || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\x00\r\u2028") {
				t.Errorf("%s log has the line %q", format, line)
			}
		}
	}
}

// The profiles and the command line are served to this machine only.
func TestAdmin_ProfilesStayHere(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "none")
	read(t, r.admin+"/debug/pprof/cmdline")
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/vars"} {
		resp, err := get(t.Context(), r.url+path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("the API answers %s with %d, want 404", path, resp.StatusCode)
		}
	}
	far := adminHandler(prometheus.NewRegistry(), http.NotFoundHandler())
	for address, want := range map[string]int{"192.0.2.1:1000": http.StatusForbidden, "[2001:db8::1]:1000": http.StatusForbidden, "[::1]:1000": http.StatusOK} {
		for _, path := range []string{"", "cmdline", "heap", "symbol"} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/"+path, http.NoBody)
			req.RemoteAddr = address
			rec := httptest.NewRecorder()
			far.ServeHTTP(rec, req)
			if rec.Code != want {
				t.Errorf("/debug/pprof/%s from %s = %d, want %d", path, address, rec.Code, want)
			}
		}
	}
}
