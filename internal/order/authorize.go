package order

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"orderd/internal/access"
)

// An authorizer lets requests through to the routes that their clients may use, as
// often as they may. It stands behind the router, which says what the route is,
// and before everything that reads a request or answers one.
type authorizer struct {
	keys   *access.Keys   // nil: clients are not told apart, and every route is open
	limits *access.Limits // nil: none
}

// authorize answers 401, 403 and 429, or hands the request on with its client.
func (g *authorizer) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := recordOf(r.Context())
		record.route = chi.RouteContext(r.Context()).RoutePattern()
		p := policies[routed(r.Method)+" "+record.route]
		if p == open {
			next.ServeHTTP(w, r)
			return
		}
		if g.keys != nil {
			client, known := g.keys.ClientOf(bearer(r))
			if !known {
				w.Header().Set("WWW-Authenticate", `Bearer realm="orderd"`)
				writeProblem(w, r, frameworkAnswers[http.StatusUnauthorized].problem("header.Authorization: needs Bearer and a key that is valid"))
				return
			}
			record.client = client.Name
			if !p.allows(client) {
				writeProblem(w, r, frameworkAnswers[http.StatusForbidden].problem("the role "+string(client.Role)+" may not do this"))
				return
			}
			r = r.WithContext(access.WithClient(r.Context(), client.Name))
		}
		if wait, ok := g.admit(r, record.client); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			writeProblem(w, r, frameworkAnswers[http.StatusTooManyRequests].problem(""))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit lets a request through as often as its client may come. Without keys a
// client is an address.
func (g *authorizer) admit(r *http.Request, client string) (time.Duration, bool) {
	if g.limits == nil {
		return 0, true
	}
	if g.keys == nil {
		client = peer(r)
	}
	return g.limits.Admit(client)
}

// bearer returns the key of a request that shows one. Two of them are none: who
// is asking would depend on which is read.
func bearer(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return key
}

// peer is whose connection it is. What a request says of that itself, as in
// X-Forwarded-For, anybody can say. In IPv6 each has a network of addresses, and
// it is the network that counts.
func peer(r *http.Request) string {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	const network = 64
	ip := address.Addr().Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, network).Masked().String()
	}
	return ip.String()
}
