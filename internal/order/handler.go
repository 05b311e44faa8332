package order

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/swaggest/swgui/v5emb"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/stock"
)

// HandlerConfig is what the HTTP interface is made of. All fields except Version, Keys and
// Limits are required.
type HandlerConfig struct {
	Service *Service
	Stock   *stock.Routes
	Locks   locking.Locker // the lock backend, for operators to inspect
	Health  *Health
	Replica string // in the X-Orderd-Replica header of every answer
	Version string // of the build, in the OpenAPI document
	// Keys authenticates clients; nil: clients are not distinguished, and every route is open.
	Keys *access.Keys
	// Limits are the clients' rate limits; nil: none. Without keys a client is an address.
	Limits *access.Limits
}

// NewHandler returns the whole HTTP interface: orders, stock, locks, health,
// /openapi.json and /docs.
func NewHandler(c HandlerConfig) http.Handler {
	router := chi.NewRouter()
	in := newInstrumentation(c.Service, c.Health, c.Replica)
	router.Use(in.instrument, in.recoverer, limitInFlight(maxInFlight), middleware.GetHead)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, frameworkAnswers[http.StatusNotFound].problem(""))
	})
	router.MethodNotAllowed(methodNotAllowed(router))
	r := router.With((&authorizer{c.Keys, c.Limits}).authorize, onlyJSON, refuseUnheeded, plainQuery) // every route is registered on r

	orders := &routes{service: c.Service, ledger: c.Service.Ledger}
	api := humachi.New(r.With(orders.fastPath, limitTime, forFramework), apiConfig(c.Version))
	orders.register(api)
	c.Stock.Register(api)
	(&lockRoutes{locks: c.Locks, store: c.Service.Store, log: c.Service.Log}).register(api)

	r.Get("/livez", c.Health.live)
	r.Get("/readyz", c.Health.ready)
	r.Get("/docs", http.RedirectHandler("/docs/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/docs/*", v5emb.New("orderd", "/openapi.json", "/docs/").ServeHTTP)
	describe(api.OpenAPI(), c.Keys != nil)
	if err := checkPolicies(router); err != nil {
		panic(err) // a route was added and its policy forgotten
	}
	return router
}

// methodNotAllowed answers 405 with the methods that the path does have, or 404 if it has none.
func methodNotAllowed(router chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := cmp.Or(r.URL.RawPath, r.URL.Path) // as the router chooses a route
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			if router.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 { // the router asks nobody about a method that it does not know
			writeProblem(w, r, frameworkAnswers[http.StatusNotFound].problem(""))
			return
		}
		if allowed[0] == http.MethodGet {
			allowed = slices.Insert(allowed, 1, http.MethodHead) // see middleware.GetHead
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, r, frameworkAnswers[http.StatusMethodNotAllowed].problem(r.Method+" is not one of them"))
	}
}
