package order

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"orderd/internal/access"
)

// A policy says who may use a route.
type policy int

// The policies, weakest first.
const (
	denied policy = iota // nobody: the policy of routes that are not in the table
	open                 // everybody, even without a key, and without rate limits
	buyers               // clients of any role
	admins               // clients with the role admin
)

// policies has every route. One that is missing makes NewHandler panic.
var policies = map[string]policy{
	"GET /livez":            open,
	"GET /readyz":           open,
	"GET /openapi.json":     open,
	"GET /openapi.yaml":     open,
	"GET /openapi-3.0.json": open,
	"GET /openapi-3.0.yaml": open,
	"GET /docs":             open,
	"GET /docs/*":           open,
	"POST /v1/orders":       buyers,
	"GET /v1/orders":        buyers,
	"GET /v1/orders/{id}":   buyers,

	"POST /v1/orders/{id}/cancel":  buyers,
	"POST /v1/orders/{id}/confirm": buyers,

	"GET /v1/stock":          buyers,
	"GET /v1/stock/{sku}":    buyers,
	"PUT /v1/stock/{sku}":    admins,
	"GET /v1/locks/{sku}":    admins,
	"DELETE /v1/locks/{sku}": admins,

	"POST /v1/stock/{sku}/adjustments": admins,
	"GET /v1/stock/{sku}/movements":    admins,
}

// allows reports whether a client may use a route with the policy.
func (p policy) allows(c access.Client) bool {
	switch p {
	case buyers:
		return c.Role == access.RoleBuyer || c.Role == access.RoleAdmin
	case admins:
		return c.Role == access.RoleAdmin
	default:
		return false
	}
}

// routed returns the method that a request is routed as: HEAD as GET.
func routed(method string) string {
	if method == http.MethodHead {
		return http.MethodGet
	}
	return method
}

// checkPolicies makes sure that each route has a policy and each policy a route.
func checkPolicies(router chi.Router) error {
	seen := map[string]bool{}
	err := chi.Walk(router, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		route := method + " " + pattern
		if policies[route] == denied {
			return fmt.Errorf("order: route %s has no policy", route)
		}
		seen[route] = true
		return nil
	})
	if err != nil {
		return err
	}
	for route := range policies {
		if !seen[route] {
			return fmt.Errorf("order: policy for %s, which is no route", route)
		}
	}
	return nil
}
