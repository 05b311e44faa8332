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

// An authorizer lets requests through to the routes that their clients may use, within
// their rate limits. It runs after routing, because policies belong to routes, and before
// anything reads the body or handles the request.
type authorizer struct {
	keys   *access.Keys   // nil: clients are not distinguished, and every route is open
	limits *access.Limits // nil: none
}

// authorize answers 401, 403 or 429, or passes the request on with its client, if known, in
// the context.
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

// admit reports whether the client is within its rate limit, and if not, how long it has to
// wait. Without keys a client is an address.
func (g *authorizer) admit(r *http.Request, client string) (time.Duration, bool) {
	if g.limits == nil {
		return 0, true
	}
	if g.keys == nil {
		client = peer(r)
	}
	return g.limits.Admit(client)
}

// bearer returns the request's API key, or "" if it has none. Several Authorization headers
// count as none: the client would depend on which one is read.
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

// peer identifies a client by its connection's remote address. Headers such as
// X-Forwarded-For are ignored, because anybody can set them. In IPv6 a client has a whole
// network of addresses, so the network counts.
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
