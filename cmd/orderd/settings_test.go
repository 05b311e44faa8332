package main

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"orderd/internal/stack/stacktest"
)

// Each of these settings does what it is for: that it is parsed says little.

func TestServe_SellsUnguardedOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "none", "--allow-unguarded=false")
	for _, guard := range []string{"fence", "claim", "none"} {
		body := fmt.Sprintf(`{"on_hand":1,"guard":%q}`, guard)
		if status, answer := r.send(t, http.MethodPut, "/v1/stock/A-1", body); status != http.StatusUnprocessableEntity {
			t.Errorf("guard %s is answered %d %v, want 422", guard, status, answer)
		}
	}
}

func TestServe_RatesAreOfAllAndOfEach(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	ann, annsLine := newKey(t, "ann", "buyer")
	bob, bobsLine := newKey(t, "bob", "buyer")
	d.env = []string{keysVariable + "=" + annsLine + "\n" + bobsLine}
	for flag, want := range map[string]string{"--rate-limit": "[200 200 429 429]", "--client-rate-limit": "[200 200 429 200]"} {
		r := d.start(t, "r"+flag, "none", flag, "0.001:2")
		var got []int
		for _, key := range []string{ann, ann, ann, bob} {
			got = append(got, r.statusWith(t, key, http.MethodGet, "/v1/stock", ""))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: one client three times and another are answered %v, want %s", flag, got, want)
		}
	}
}

func TestServe_WantsAcknowledgements(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).startUntil(t, "/livez", "r1", "redis", "--lock-acks", "1")
	r.mustSet(t, "A-1", 5, "predicate")
	if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusServiceUnavailable {
		t.Errorf("with a lock Redis without replicas an order is answered %d %v, want 503", status, answer)
	}
}

func TestServe_KeysFromTheFileThatTheEnvironmentNames(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	key, line := newKey(t, "shop", "buyer")
	file := filepath.Join(t.TempDir(), "keys")
	writeLines(t, file, line)
	d.env = []string{keysVariable + "=@" + file}
	r := d.start(t, "r1", "none")
	for key, want := range map[string]int{key: http.StatusOK, "another": http.StatusUnauthorized} {
		if status := r.statusWith(t, key, http.MethodGet, "/v1/stock", ""); status != want {
			t.Errorf("key %s is answered %d, want %d", key, status, want)
		}
	}
}

// silent returns the address of a server that accepts connections and never says anything.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var open []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			open = append(open, conn)
		}
		for _, conn := range open {
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

// Servers that hang cost an order a few seconds, and not as long as its client waits.
func TestServe_IsNotHeldUpByServersThatHang(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		mode string
		cut  func(*deployment, string)
	}{
		"stock Redis": {"local", func(d *deployment, nobody string) { d.stock = "redis://" + nobody }},
		"lock Redis":  {"redis", func(d *deployment, nobody string) { d.locks = "redis://" + nobody }},
		"Postgres":    {"local", func(d *deployment, nobody string) { d.database = "postgres://x@" + nobody + "/x?sslmode=disable" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			d.start(t, "r0", "none").mustSet(t, "A-1", 5, "predicate")
			row.cut(&d, silent(t))
			r := d.startUnready(t, "r1", row.mode)
			const bound = 12 * time.Second // it takes some 2 s; the client would wait for 30
			began := time.Now()
			status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne)
			if took := time.Since(began); status != http.StatusServiceUnavailable || took > bound {
				t.Errorf("an order is answered %d %v after %v, want 503 within %v", status, answer, took, bound)
			}
		})
	}
}

// The lock Redis dies right after the grant. At the COMMIT a second of the lease is left, which
// is less than the margin.
func TestServe_CommitsNothingWithinTheMargin(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Redis(t.Context(), "margin-locks")
	if err != nil {
		t.Fatal(err)
	}
	d := newDeployment(t)
	d.locks = server.URL
	r := d.start(t, "r1", "redis", "--lock-ttl", "8s", "--lock-margin", "2s", "--work", "7s")
	r.mustSet(t, "A-1", 5, "predicate")
	code := make(chan any, 1)
	go func() {
		_, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne)
		code <- answer["code"]
	}()
	await(t, "the lock", func() bool {
		_, lock := r.send(t, http.MethodGet, "/v1/locks/A-1", "")
		return lock["token"] != nil
	})
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != "lease_lost" {
		t.Errorf("the order is answered %v, want lease_lost", got)
	}
}
