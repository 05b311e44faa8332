package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

// Passwords of the tests' servers.
const (
	ownerPassword = "owner-CANARY"
	appPassword   = "app-CANARY"
	stockPassword = "stock-CANARY"
	lockPassword  = "lock-CANARY"
	eventPassword = "events-CANARY"
	zooPassword   = "zoo-CANARY"
)

// A fortress is a deployment whose servers require TLS, where they support it, and users with
// no more rights than the files in deploy/ give.
type fortress struct {
	deployment
	ca           *stack.Authority
	admin        string // Postgres, as its superuser
	stock, locks *stack.SecureRedis
}

// newFortress starts one; redisArgs are further arguments of its Redis servers.
func newFortress(t *testing.T, name string, redisArgs ...string) *fortress {
	t.Helper()
	s, ca := stacktest.Stack(t), newAuthority(t)
	pg, err := s.SecurePostgres(t.Context(), name+"-postgres", ca, "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	f := &fortress{ca: ca, admin: pg.URL}
	f.database = postgresFor(t, pg.URL)
	f.stock = mustSecureRedis(t, s, name+"-stock", ca, redisArgs...)
	f.locks = mustSecureRedis(t, s, name+"-locks", ca, redisArgs...)
	f.deployment.stock = redisURL(f.stock.Addr, "orderd-stock", stockPassword, ca.File)
	f.deployment.locks = redisURL(f.locks.Addr, "orderd-lock", lockPassword, ca.File)
	zoo, err := s.SecureZooKeeper(t.Context(), name+"-zookeeper", ca)
	if err != nil {
		t.Fatal(err)
	}
	f.zookeeper = zoo.SecureAddr
	f.env = []string{
		"ORDERD_EVENTS_STREAM=orderd:events",
		"ORDERD_EVENTS_REDIS_URL=" + redisURL(f.stock.Addr, "orderd-events", eventPassword, ca.File),
		zooKeeperAuth + "=orderd:" + zooPassword, "ORDERD_ZOOKEEPER_CA=" + ca.File,
	}
	return f
}

// postgresFor runs deploy/postgres-roles.sql as an operator does, migrates, and returns the
// service's URL.
func postgresFor(t *testing.T, adminURL string) string {
	t.Helper()
	if err := runRoles(t, adminURL, ownerPassword, appPassword); err != nil {
		t.Fatal(err)
	}
	owner := mustLogin(t, adminURL, "orderd_owner", ownerPassword)
	if _, err := migrations.Up(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	return mustLogin(t, adminURL, "orderd_app", appPassword)
}

// runRoles runs deploy/postgres-roles.sql as psql does, without psql's own commands.
func runRoles(t *testing.T, adminURL, owner, service string) error {
	t.Helper()
	text, err := os.ReadFile("../../deploy/postgres-roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	sql := regexp.MustCompile(`(?m)^\\.*$`).ReplaceAllString(string(text), "")
	sql = strings.NewReplacer(":'owner_password'", "'"+owner+"'", ":'service_password'", "'"+service+"'").Replace(sql)
	admin, err := pgx.Connect(t.Context(), adminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), sql)
	return err
}

func mustLogin(t *testing.T, serverURL, user, password string) string {
	t.Helper()
	u, err := stack.WithLogin(serverURL, user, password)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// mustSecureRedis starts a server with the users of deploy/redis-users.acl.
func mustSecureRedis(t *testing.T, s *stack.Stack, name string, ca *stack.Authority, args ...string) *stack.SecureRedis {
	t.Helper()
	r, err := s.SecureRedis(t.Context(), name, ca, redisUsers(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// redisUsers returns deploy/redis-users.acl with passwords filled in.
func redisUsers(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/redis-users.acl")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"SHA-256-OF-THE-STOCK-PASSWORD", hashOf(stockPassword),
		"SHA-256-OF-THE-LOCK-PASSWORD", hashOf(lockPassword),
		"SHA-256-OF-THE-EVENTS-PASSWORD", hashOf(eventPassword),
	).Replace(string(text))
}

func hashOf(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

func redisURL(addr, user, password, ca string) string {
	return (&url.URL{Scheme: "rediss", Host: addr, User: url.UserPassword(user, password), RawQuery: url.Values{"ca": {ca}}.Encode()}).String()
}

// In every mode the service works with the rights that deploy/ gives it, over TLS, and exposes
// none of the passwords.
func TestSecure_EveryModeWithTheRightsItNeeds(t *testing.T) {
	t.Parallel()
	f := newFortress(t, "rights")
	for i, row := range []struct{ mode, batch string }{
		{"redis", "64"}, {"redis", "1"}, {"redlock", "64"}, {"zookeeper", "64"}, {"postgres", "64"}, {"local", "64"}, {"none", "1"},
	} {
		name := fmt.Sprint("rights-", i)
		r := f.start(t, name, row.mode, "--batch-max", row.batch, "--log-level", "debug")
		r.useEverything(t, fmt.Sprint("S-", i), row.mode)
		for _, password := range []string{ownerPassword, appPassword, stockPassword, lockPassword, eventPassword, zooPassword} {
			cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.Pid()))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if strings.Contains(r.log(t), password) || strings.Contains(string(cmdline), password) || strings.Contains(read(t, r.admin+"/debug/pprof/cmdline"), password) {
				t.Errorf("mode %s shows the password %s", row.mode, password)
			}
		}
	}
	await(t, "the events", func() bool {
		n, err := f.stock.Do(t.Context(), "XLEN", "orderd:events")
		return err == nil && n != "0"
	})
	for name, server := range map[string]*stack.SecureRedis{"stock": f.stock, "locks": f.locks} {
		if refused, err := server.Do(t.Context(), "ACL", "LOG"); err != nil || refused != "[]" {
			t.Errorf("the Redis of the %s has refused something: %s, %v", name, refused, err)
		}
	}
}

// useEverything calls every route that works in the mode, and makes orders wait
// for each other.
func (r *replica) useEverything(t *testing.T, sku, mode string) {
	t.Helper()
	r.mustSet(t, sku, 100, "predicate")
	r.mustSet(t, sku+"-claim", 100, "claim")
	const buyers = 8 // the first orders open TLS connections: many handshakes at once take longer than the connect timeout
	var all sync.WaitGroup
	for range buyers {
		all.Go(func() {
			body := fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":1},{"sku":%q,"quantity":1}]}`, sku, sku+"-claim")
			if status, answer := r.send(t, http.MethodPost, "/v1/orders", body); status != http.StatusCreated {
				t.Errorf("%s: an order is answered %d %v, want 201", mode, status, answer)
			}
		})
	}
	all.Wait()
	for change, want := range map[string]string{"cancel": "cancelled", "confirm": "confirmed"} {
		_, held := r.send(t, http.MethodPost, "/v1/orders", `{"lines":[{"sku":"`+sku+`","quantity":1}],"hold_seconds":60}`)
		if status, answer := r.send(t, http.MethodPost, fmt.Sprint("/v1/orders/", held["id"], "/", change), "{}"); status != http.StatusOK || answer["status"] != want {
			t.Errorf("%s: %s of %v is answered %d %v", mode, change, held, status, answer)
		}
	}
	r.send(t, http.MethodPut, "/v1/stock/A-1", `{"on_hand":9}`) // the SKU that keyed orders
	for _, again := range []bool{false, true} {
		if status, replayed, _ := r.keyed(t, sku); status != http.StatusCreated || replayed != again {
			t.Errorf("%s: an order with a key is answered %d, replayed %v; want 201, %v", mode, status, replayed, again)
		}
	}
	for _, row := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/orders", `{"lines":[{"sku":"` + sku + `","quantity":1000}]}`, http.StatusConflict},
		{"POST", "/v1/orders", `{"lines":[{"sku":"NO","quantity":1}]}`, http.StatusNotFound},
		{"GET", "/v1/orders", "", http.StatusOK},
		{"PUT", "/v1/stock/" + sku, `{"on_hand":7}`, http.StatusOK},
		{"POST", "/v1/stock/" + sku + "/adjustments", `{"delta":1,"reason":"restock"}`, http.StatusOK},
		{"GET", "/v1/stock/" + sku, "", http.StatusOK},
		{"GET", "/v1/stock/" + sku + "/movements", "", http.StatusOK},
		{"GET", "/readyz", "", http.StatusOK},
	} {
		if status, answer := r.send(t, row.method, row.path, row.body); status != row.want {
			t.Errorf("%s: %s %s is answered %d %v, want %d", mode, row.method, row.path, status, answer, row.want)
		}
	}
	if mode == "none" || mode == "local" {
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if status, answer := r.send(t, method, "/v1/locks/"+sku, ""); status != http.StatusOK {
			t.Errorf("%s: %s of the lock is answered %d %v, want 200", mode, method, status, answer)
		}
	}
}

// A server whose certificate another authority has signed gets no requests, whatever it
// answers; and orderd fails closed with wrong credentials.
func TestSecure_StrangersAreNotTrusted(t *testing.T) {
	t.Parallel()
	f := newFortress(t, "strangers")
	other := newAuthority(t)
	f.start(t, "right", "redis").mustSet(t, "A-1", 5, "predicate")
	// The nodes that this one makes are its user's.
	if status, answer := f.start(t, "right-zookeeper", "zookeeper").send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
		t.Fatalf("an order is answered %d %v, want 201", status, answer)
	}
	trust := func(text string) string {
		return strings.ReplaceAll(text, url.QueryEscape(f.ca.File), url.QueryEscape(other.File))
	}
	for name, cut := range map[string]func(*deployment){
		"Postgres":    func(d *deployment) { d.database = trust(d.database) },
		"stock Redis": func(d *deployment) { d.stock = trust(d.stock) },
		"lock Redis":  func(d *deployment) { d.locks = trust(d.locks) },
		"ZooKeeper":   func(d *deployment) { d.env = append(slices.Clone(d.env), "ORDERD_ZOOKEEPER_CA="+other.File) },
		// The right server, and wrong credentials.
		"Postgres' password": func(d *deployment) { d.database = mustLogin(t, d.database, "orderd_app", "guess") },
		"Redis' password":    func(d *deployment) { d.stock = redisURL(f.stock.Addr, "orderd-stock", "guess", f.ca.File) },
		"ZooKeeper's password": func(d *deployment) {
			d.env = append(slices.Clone(d.env), zooKeeperAuth+"=orderd:guess")
		},
		"another's rights": func(d *deployment) { d.stock = redisURL(f.stock.Addr, "orderd-lock", lockPassword, f.ca.File) },
	} {
		d := f.deployment
		cut(&d)
		mode := "redis"
		if strings.HasPrefix(name, "ZooKeeper") {
			mode = "zookeeper"
		}
		r := d.startUnready(t, "stranger-"+strings.NewReplacer(" ", "", "'", "").Replace(name), mode)
		if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusServiceUnavailable || answer["code"] != "unavailable" {
			t.Errorf("%s: an order is answered %d %v, want 503 unavailable", name, status, answer)
		}
		// These the server refuses only at the keys and nodes themselves.
		late := name == "another's rights" || name == "ZooKeeper's password"
		if status, answer := r.send(t, http.MethodGet, "/readyz", ""); !late && status != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz is answered %d %v, want 503", name, status, answer)
		}
	}
}
