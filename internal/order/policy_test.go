package order_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// clients are API keys for the tests, each of a different client.
type clients struct{ buyer, other, admin string }

// guard puts the shop behind keys, and limits if there are any.
func (s *shop) guard(t *testing.T, limits *access.Limits) clients {
	t.Helper()
	var lines []string
	make := func(name string, role access.Role) string {
		key, line, err := access.NewKey(access.Client{Name: name, Role: role})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		return key
	}
	c := clients{make("buyer", access.RoleBuyer), make("other", access.RoleBuyer), make("admin", access.RoleAdmin)}
	keys := &access.Keys{}
	if err := keys.Replace(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	s.serve(t, keys, limits)
	return c
}

// open leaves every route open, within limits.
func (s *shop) open(t *testing.T, limits *access.Limits) {
	t.Helper()
	s.serve(t, nil, limits)
}

func (s *shop) serve(t *testing.T, keys *access.Keys, limits *access.Limits) {
	t.Helper()
	s.routes = order.NewHandler(order.HandlerConfig{
		Service: s.Service, Stock: &stock.Routes{Store: s.Store, Cache: s.Cache, Shortages: s.Shortages, Log: s.Log, Client: access.ClientOf},
		Locks: s.Locks, Health: s.health, Replica: "r1", Version: "test", Keys: keys, Limits: limits,
	})
	s.handler = documented(t, s.routes)
}

// ask makes a request with the given Authorization headers.
func (s *shop) ask(t *testing.T, method, path, body string, authorization ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header["Authorization"] = authorization
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return rec
}

// whoMay is the table of policies once more, by hand: a change has to be made in both.
var whoMay = map[string]string{
	"GET /livez": "all", "GET /readyz": "all", "GET /docs": "all", "GET /docs/*": "all",
	"GET /openapi.json": "all", "GET /openapi.yaml": "all", "GET /openapi-3.0.json": "all", "GET /openapi-3.0.yaml": "all",
	"POST /v1/orders": "buyer", "GET /v1/orders": "buyer", "GET /v1/orders/{id}": "buyer",
	"POST /v1/orders/{id}/cancel": "buyer", "POST /v1/orders/{id}/confirm": "buyer",
	"GET /v1/stock": "buyer", "GET /v1/stock/{sku}": "buyer",
	"PUT /v1/stock/{sku}": "admin", "POST /v1/stock/{sku}/adjustments": "admin", "GET /v1/stock/{sku}/movements": "admin",
	"GET /v1/locks/{sku}": "admin", "DELETE /v1/locks/{sku}": "admin",
}

// sampleBodies make a request of each route valid, so that only the client can be wrong
// with it.
var sampleBodies = map[string]string{
	"POST /v1/orders":                  `{"lines":[{"sku":"A-1","quantity":1}]}`,
	"PUT /v1/stock/{sku}":              `{"on_hand":5}`,
	"POST /v1/stock/{sku}/adjustments": `{"delta":1,"reason":"restock"}`,
}

func TestPolicy_EveryRouteAndEveryCaller(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 100, "")
	c := s.guard(t, nil)
	callers := map[string][]string{
		"none":            nil,
		"empty":           {""},
		"no key":          {"Bearer "},
		"wrong":           {"Bearer " + c.buyer[:len(c.buyer)-1] + "0"},
		"another scheme":  {"Basic " + base64.StdEncoding.EncodeToString([]byte("buyer:"+c.buyer))},
		"the bare key":    {c.admin},
		"two keys":        {"Bearer " + c.admin, "Bearer " + c.buyer},
		"two in one":      {"Bearer " + c.admin + ", Bearer " + c.buyer},
		"buyer":           {"Bearer " + c.buyer},
		"buyer, in small": {"bearer " + c.buyer},
		"admin":           {"Bearer " + c.admin},
	}
	routes := 0
	err := chi.Walk(s.routes.(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes++
		route := method + " " + pattern
		may, known := whoMay[route]
		if !known {
			t.Errorf("%s: nobody has said who may use it", route)
			return nil
		}
		path := strings.NewReplacer("{sku}", "A-1", "{id}", "018f6b1e-0000-7000-8000-000000000000", "*", "").Replace(pattern)
		for caller, authorization := range callers {
			buyer, admin := strings.HasPrefix(caller, "buyer"), caller == "admin"
			methods := []string{method}
			if method == http.MethodGet {
				methods = append(methods, http.MethodHead)
			}
			for _, method := range methods {
				rec := s.ask(t, method, path, sampleBodies[route], authorization...)
				switch {
				case may == "all" || admin || buyer && may == "buyer":
					if rec.Code == http.StatusUnauthorized || rec.Code == http.StatusForbidden || rec.Code == http.StatusMethodNotAllowed || rec.Code >= 500 {
						t.Errorf("%s %s by %s is answered %d %s, want it let through", method, path, caller, rec.Code, rec.Body)
					}
				case buyer:
					if p := problemIn(t, rec); rec.Code != http.StatusForbidden || p.Code != "forbidden" {
						t.Errorf("%s %s by %s is answered %d %s, want 403", method, path, caller, rec.Code, rec.Body)
					}
				default:
					p := problemIn(t, rec)
					if rec.Code != http.StatusUnauthorized || p.Code != "unauthorized" || rec.Header().Get("WWW-Authenticate") == "" {
						t.Errorf("%s %s by %s is answered %d %s, want 401", method, path, caller, rec.Code, rec.Body)
					}
					if strings.Contains(rec.Body.String(), c.admin) || strings.Contains(rec.Body.String(), c.buyer) {
						t.Errorf("%s %s by %s repeats the key: %s", method, path, caller, rec.Body)
					}
				}
			}
		}
		return nil
	})
	if err != nil || routes != len(whoMay) {
		t.Errorf("%d routes walked, %v; want %d", routes, err, len(whoMay))
	}
	// Each of the three callers that may order has placed one, and nobody else any.
	if n := s.count(t, "orders"); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}
}

// The body of a refused caller is not read: the answer is the same whatever is wrong with
// it, and a valid one has no effect.
func TestPolicy_RefusedRequestsAreNotRead(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	s.guard(t, nil)
	for _, body := range []string{`{"lines":[{"sku":"A-1","quantity":1}]}`, `{`, `{"lines":[{"sku":"NO","quantity":1}]}`, strings.Repeat(" ", 1<<20)} {
		if rec := s.ask(t, http.MethodPost, "/v1/orders", body); rec.Code != http.StatusUnauthorized {
			t.Errorf("a body of %d bytes is answered %d %s, want 401", len(body), rec.Code, rec.Body)
		}
	}
	if rec := s.ask(t, http.MethodGet, "/v1/nothing", ""); rec.Code != http.StatusNotFound {
		t.Errorf("no route is answered %d, want 404", rec.Code)
	}
	if rec := s.ask(t, http.MethodPatch, "/v1/orders", ""); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("another method is answered %d, want 405", rec.Code)
	}
	if n := s.count(t, "orders"); n != 0 {
		t.Errorf("%d orders, want none", n)
	}
}
