package main

import (
	"net/http"
	"net/http/pprof"
	"runtime"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newRegistry returns the process's metrics registry, with the build, Go and process metrics
// and those of the connection pools.
func newRegistry(db *pgxpool.Pool, pools *redisPools) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	about := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderd_build_info", Help: "1, labelled with what was built.",
	}, []string{"version", "revision", "goversion"})
	b := readBuild()
	about.WithLabelValues(b.version, b.revision, runtime.Version()).Set(1)
	reg.MustRegister(about, pools,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	reg.MustRegister(poolsOf(db)...)
	return reg
}

// adminHandler serves what only operators should reach: the metrics and, to this machine alone,
// the profiles, which expose memory contents. (A port that is forwarded to a container counts
// as this machine.)
//
// It answers /livez and /readyz, too: clients that use up the API's connections must not keep
// probes out, and have all replicas restarted.
func adminHandler(reg *prometheus.Registry, health http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", health)
	mux.Handle("GET /readyz", health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	for path, handler := range map[string]http.HandlerFunc{
		"":        pprof.Index,
		"cmdline": pprof.Cmdline,
		"profile": pprof.Profile,
		"symbol":  pprof.Symbol,
		"trace":   pprof.Trace,
	} {
		mux.Handle("GET /debug/pprof/"+path, fromHere(handler))
	}
	return mux
}

func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.RemoteAddr) {
			http.Error(w, "available on loopback only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
