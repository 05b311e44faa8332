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

// newRegistry returns the process' metrics, with those that need no code of
// ours registered.
func newRegistry(db *pgxpool.Pool) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderd_build_info", Help: "1, labelled with what was built.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version(), runtime.Version()).Set(1)
	reg.MustRegister(build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "orderd_db_pool_acquired_connections", Help: "Postgres connections in use.",
		}, func() float64 { return float64(db.Stat().AcquiredConns()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "orderd_db_pool_max_connections", Help: "Postgres connections there can be.",
		}, func() float64 { return float64(db.Stat().MaxConns()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "orderd_db_pool_waits_total", Help: "Times that an order waited for a Postgres connection.",
		}, func() float64 { return float64(db.Stat().EmptyAcquireCount()) }),
	)
	return reg
}

// adminHandler serves what only operators should reach: the metrics, and to this
// machine alone the profiles, which hold what is in memory. (A port that is
// forwarded to a container counts as this machine.)
func adminHandler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
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
			http.Error(w, "to be asked for on the machine itself", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
