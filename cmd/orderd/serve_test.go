package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

// One unit, two replicas, one order at each: what the whole project is about.
// Where the lock does not reach across processes both replicas sell the unit.
func TestServe_TwoReplicasAndOneUnit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mode  locking.Mode
		guard string
		sold  int64
	}{
		{locking.ModeNone, "none", 2},
		{locking.ModeLocal, "none", 2},
		{locking.ModeRedis, "none", 1},
		{locking.ModeRedlock, "none", 1},
		{locking.ModeZooKeeper, "none", 1},
		{locking.ModePostgres, "none", 1},
		{locking.ModeNone, "predicate", 1},
	} {
		t.Run(string(row.mode)+" with guard "+row.guard, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			// --work is long enough for both to have read the level before either writes.
			if row.mode == locking.ModeRedlock {
				// Databases of one server: how independent the masters are does not matter
				// here.
				d.locks = strings.Join([]string{d.locks, stacktest.Redis(t), stacktest.Redis(t)}, ",")
			}
			replicas := []*replica{
				d.start(t, "r1", string(row.mode), "--work", "2s", "--lock-wait", "9s"),
				d.start(t, "r2", string(row.mode), "--work", "2s", "--lock-wait", "9s"),
			}
			replicas[0].mustSet(t, "A-1", 1, row.guard)
			var sold atomic.Int64
			var buyers sync.WaitGroup
			for _, r := range replicas {
				buyers.Go(func() {
					status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne)
					switch {
					case status == http.StatusCreated:
						sold.Add(1)
					case answer["code"] != "sold_out":
						t.Errorf("answer %d %v, want sold or sold out", status, answer)
					}
				})
			}
			buyers.Wait()
			_, stock := replicas[1].send(t, http.MethodGet, "/v1/stock/A-1", "")
			if got := sold.Load(); got != row.sold || stock["on_hand"] != float64(1-row.sold) || stock["received"] != 1.0 {
				t.Errorf("%d of 1 unit sold, stock %v; want %d sold", got, stock, row.sold)
			}
		})
	}
}

func TestServe_StopsWithoutLosingAnOrder(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	r := d.start(t, "r1", "redis", "--work", "2s")
	r.mustSet(t, "A-1", 1, "predicate")
	answered := make(chan int, 1)
	go func() {
		status, _ := r.send(t, http.MethodPost, "/v1/orders", orderOne)
		answered <- status
	}()
	locks := stacktest.OpenRedis(t, d.locks)
	await(t, "the order's lock", func() bool { return len(locks.Keys(t.Context(), "orderd:lock:*:A-1").Val()) == 1 })
	if err := r.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != http.StatusCreated {
		t.Errorf("the order in flight was answered %d, want 201", status)
	}
	select {
	case <-r.Done():
	case <-time.After(25 * time.Second):
		t.Fatal("still running 25 s after SIGTERM")
	}
	if err := r.Err(); err != nil {
		t.Errorf("exit = %v, want 0", err)
	}
	if n := len(locks.Keys(t.Context(), "orderd:lock:*:A-1").Val()); n != 0 {
		t.Error("the lock was left behind")
	}
}

func TestServe_SaysNotReadyWhileDraining(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	r := d.start(t, "r1", "local", "--drain-delay", "10s")
	if err := r.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "/readyz to say 503", func() bool {
		resp, err := get(t.Context(), r.url+"/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	// SIGHUP, which reloads files, does nothing else during the drain.
	if err := r.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "/livez to be answered or the process to end", func() bool {
		resp, err := get(t.Context(), r.url+"/livez")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil || resp.StatusCode == http.StatusOK
	})
	// A second signal ends it at once, without the rest of the delay.
	if err := r.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Errorf("exit = %v, want it ended by the second signal", err)
	}
}

// The failure table of docs/operations.md, tested from outside.
func TestServe_FailsClosedWithoutItsServers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		mode   string
		cut    func(d *deployment, nobody string)
		others int    // the status of all requests but placing an order
		named  string // the check that fails in /readyz
	}{
		"lock Redis":  {"redis", func(d *deployment, nobody string) { d.locks = "redis://" + nobody }, 200, "lock"},
		"ZooKeeper":   {"zookeeper", func(d *deployment, nobody string) { d.zookeeper = nobody }, 200, "lock"},
		"stock Redis": {"local", func(d *deployment, nobody string) { d.stock = "redis://" + nobody }, 200, "stock_redis"},
		"Postgres":    {"local", func(d *deployment, nobody string) { d.database = "postgres://" + nobody + "/x" }, 503, "postgres"},
		"events": {"local", func(d *deployment, nobody string) {
			d.env = []string{"ORDERD_EVENTS_STREAM=e", "ORDERD_EVENTS_REDIS_URL=redis://" + nobody}
		}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			r0 := d.start(t, "r0", "none")
			r0.mustSet(t, "A-1", 5, "predicate")
			path := func(body string) string {
				_, placed := r0.send(t, http.MethodPost, "/v1/orders", body)
				return fmt.Sprint("/v1/orders/", placed["id"])
			}
			sold, held := path(orderOne), path(`{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":600}`)
			row.cut(&d, stacktest.UnusedAddress(t))
			r := d.startUnready(t, "r1", row.mode)
			status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne)
			if row.named == "" {
				if status != http.StatusCreated {
					t.Errorf("an order is answered %d %v, want 201", status, answer)
				}
			} else if status != http.StatusServiceUnavailable || answer["code"] != "unavailable" || answer["retryable"] != true {
				t.Errorf("an order is answered %d %v, want 503 unavailable", status, answer)
			}
			for _, other := range []struct{ method, path, body string }{
				{http.MethodGet, "/v1/stock/A-1", ""}, {http.MethodGet, sold, ""}, {http.MethodGet, "/v1/orders", ""},
				{http.MethodPost, sold + "/cancel", ""}, {http.MethodPost, held + "/confirm", ""},
				{http.MethodPost, "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"restock"}`},
			} {
				if status, answer := r.send(t, other.method, other.path, other.body); status != row.others {
					t.Errorf("%s %s is answered %d %v, want %d", other.method, other.path, status, answer, row.others)
				}
			}
			if status, _ := r.send(t, http.MethodGet, "/livez", ""); status != http.StatusOK {
				t.Errorf("/livez = %d, want 200 whatever is down", status)
			}
			status, answer = r.send(t, http.MethodGet, "/readyz", "")
			if (status == http.StatusOK) != (row.named == "") || row.named != "" && answer[row.named] != "unavailable" {
				t.Errorf("/readyz = %d %v, want %q named", status, answer, row.named)
			}
			want := 3.0 // nothing more was sold
			switch {
			case row.named == "":
				want = 4 // 5 - 2 - 1, one cancelled, one restocked
			case row.others == http.StatusOK:
				want = 5
			}
			if _, stock := r0.send(t, http.MethodGet, "/v1/stock/A-1", ""); stock["on_hand"] != want {
				t.Errorf("stock = %v, want %g", stock, want)
			}
		})
	}
}

func TestRun_UsageErrorsNameTheFlag(t *testing.T) {
	t.Parallel()
	servers := []string{"--database-url", "postgres://127.0.0.1/x", "--redis-url", "redis://127.0.0.1"}
	for flag, args := range map[string][]string{
		"--database-url":   {"serve", "--redis-url", "redis://127.0.0.1"},
		"--redis-url":      {"serve", "--database-url", "postgres://127.0.0.1/x"},
		"--lock-mode":      append([]string{"serve", "--lock-mode", "hope"}, servers...),
		"--zookeeper":      append([]string{"serve", "--lock-mode", "zookeeper"}, servers...),
		"--lock-redis-url": append([]string{"serve", "--lock-mode", "redlock"}, servers...),
		"--listen":         append([]string{"serve", "--listen", "0.0.0.0:0"}, servers...),
		"serve --help":     append([]string{"serve", "--listen", "127.0.0.1:99999"}, servers...),
		"is not HOST:PORT": append([]string{"serve", "--listen", "8080"}, servers...),
		"--admin-listen":   append([]string{"serve", "--listen", "127.0.0.1:1", "--admin-listen", "127.0.0.1:1"}, servers...),
		"--listen: \"x\"":  {"healthcheck", "--listen", "x"},
		"--lock-ttl":       append([]string{"serve", "--lock-ttl", "1ms"}, servers...),
		"--lock-margin":    append([]string{"serve", "--lock-margin", "6s"}, servers...),
		"a sixth":          append([]string{"serve", "--lock-mode", "zookeeper", "--zookeeper", "127.0.0.1:1", "--lock-margin", "2s"}, servers...),
		"--lock-acks":      append([]string{"serve", "--lock-mode", "local", "--lock-acks", "1"}, servers...),
		"--lock-wait":      append([]string{"serve", "--lock-wait", "0s"}, servers...),
		"--work":           append([]string{"serve", "--work", "-1s"}, servers...),
		"--id":             append([]string{"serve", "--id", ""}, servers...),
		"--drain-delay":    append([]string{"serve", "--drain-delay", "1m"}, servers...),

		"--events-redis-url":  append([]string{"serve", "--events-redis-url", "redis://127.0.0.1"}, servers...),
		"--events-max-length": append([]string{"serve", "--events-stream", "e", "--events-max-length", "0"}, servers...),
		"--reconcile-every":   append([]string{"serve", "--reconcile-every", "1ms"}, servers...),
		"--tls-cert":          append([]string{"serve", "--tls-cert", "x"}, servers...),
		"--tls-key":           append([]string{"serve", "--tls-key", "x"}, servers...),
		"--batch-max":         append([]string{"serve", "--listen", "127.0.0.1:-1", "--batch-max", "1025"}, servers...),
		"--max-connections":   append([]string{"serve", "--max-connections", "0"}, servers...),
		"--rate-limit":        append([]string{"serve", "--rate-limit", "0"}, servers...),
		"--client-rate-limit": append([]string{"serve", "--client-rate-limit", "1:0"}, servers...),
	} {
		_, err := runHere(t, args...)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), flag) || exitCode(err) != 2 {
			t.Errorf("%v = %v, want a usage error that names %s", args, err, flag)
		}
	}
}

// A comma in a password does not split a URL, and an invalid URL is found even with --insecure.
func TestRun_RedisURLs(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1/x?sslmode=disable")
	t.Setenv("REDIS_URL", "redis://u:pa,ss@127.0.0.1")
	if _, err := runHere(t, "serve", "--listen", "127.0.0.1:-1"); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a password with a comma = %v, want it past that", err)
	}
	for _, url := range []string{"", "foo://127.0.0.1"} {
		t.Setenv("REDIS_URL", url)
		if _, err := runHere(t, "serve", "--insecure"); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "--redis-url") {
			t.Errorf("REDIS_URL=%q = %v, want a usage error", url, err)
		}
	}
}

// Pool settings in the URL are used by the pools and not sent to servers, which would refuse
// them.
func TestServe_SettingsOfAPool(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.database += "&pool_max_conns=8"
	if _, err := runHere(t, "migrate", "--database-url", d.database); err != nil {
		t.Errorf("migrate = %v", err)
	}
	if out, err := runHere(t, "reconcile", "--check", "--database-url", d.database); err != nil {
		t.Errorf("reconcile = %v %s", err, out)
	}
	d.start(t, "r1", "postgres") // start waits until it is ready
}

func TestRun_MigrateAndHealthcheck(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if out, err := runHere(t, "migrate", "--database-url", d.database); err != nil || !strings.Contains(out, "0 migrations applied") {
		t.Errorf("migrate of a migrated database = %q, %v", out, err)
	}
	r := d.start(t, "r1", "none")
	if _, err := runHere(t, "healthcheck", "--listen", strings.TrimPrefix(r.url, "http://")); err != nil {
		t.Errorf("healthcheck of a ready orderd = %v", err)
	}
	if _, err := runHere(t, "healthcheck", "--listen", stacktest.UnusedAddress(t)); err == nil {
		t.Error("healthcheck of nobody = nil, want an error")
	}
}

func TestRun_HealthcheckOfOneThatIsNotReady(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer s.Close()
	if _, err := runHere(t, "healthcheck", "--listen", strings.TrimPrefix(s.URL, "http://")); err == nil || exitCode(err) != 1 {
		t.Errorf("healthcheck = %v, want an error and exit 1", err)
	}
}
