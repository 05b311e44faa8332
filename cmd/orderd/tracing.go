package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"orderd/internal/locking"
	"orderd/internal/order"
)

// flushLimit bounds the sending of the last spans when the process ends.
const flushLimit = 2 * time.Second

// tracing makes spans and sends them where the standard variables, OTEL_*, say. nil: they name
// no destination, and nothing is made or wrapped.
type tracing struct {
	provider *sdktrace.TracerProvider
	log      *slog.Logger
}

// tracingWanted reports whether the variables name a destination for spans. The library would
// take an exporter that is not named to be a collector on this machine, and complain that there
// is none.
func tracingWanted(getenv func(string) string) bool {
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case getenv("OTEL_SDK_DISABLED") == "true":
		return false
	case exporter != "":
		return exporter != "none"
	default:
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	}
}

// openTracing starts tracing if the environment asks for it.
func openTracing(ctx context.Context, replica string, log *slog.Logger) (*tracing, error) {
	if !tracingWanted(os.Getenv) {
		return nil, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans were not sent", "err", err) }))
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_*: %w", err)
	}
	build := readBuild()
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			semconv.ServiceName("orderd"), semconv.ServiceVersion(build.version), semconv.ServiceInstanceID(replica),
		),
		resource.WithFromEnv(), // last, so that the operator may choose other names
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return &tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), log}, nil
}

// close sends the remaining spans.
func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last spans were not sent", "err", err)
	}
}

// http makes a span of every request but health checks, which come all the time.
func (t *tracing) http(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return otelhttp.NewHandler(next, "orderd",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/livez" && r.URL.Path != "/readyz" }),
	)
}

// orders returns what makes the spans of an order's steps.
func (t *tracing) orders(mode locking.Mode) *order.Traces {
	if t == nil {
		return nil
	}
	return order.NewTraces(t.provider, mode)
}

// postgres makes a span of every statement within a recorded span. Statements carry no values.
func (t *tracing) postgres() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider))
}

// redis makes a span of every command within a recorded span. Arguments, such as SKUs, are left
// out.
func (t *tracing) redis(client redis.UniversalClient) {
	if t == nil {
		return
	}
	err := redisotel.InstrumentTracing(client,
		redisotel.WithTracerProvider(stepsOnly{t.provider}), redisotel.WithDBStatement(false), redisotel.WithCallerEnabled(false))
	if err != nil {
		t.log.Warn("a Redis client is not traced", "err", err)
	}
}

// stepsOnly makes spans within others only: background work, such as the reconciler's, is not
// worth one twice a second.
type stepsOnly struct{ trace.TracerProvider }

// Tracer implements trace.TracerProvider.
func (p stepsOnly) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return stepTracer{p.TracerProvider.Tracer(name, options...)}
}

type stepTracer struct{ trace.Tracer }

// Start implements trace.Tracer.
func (t stepTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, noop.Span{}
	}
	return t.Tracer.Start(ctx, name, options...)
}
