package order

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"orderd/internal/locking"
)

// Traces makes the spans of an order: of its steps, as Server-Timing has them, and of the
// groups that place several orders at once. nil: there are none.
type Traces struct {
	tracer trace.Tracer
	mode   trace.SpanStartEventOption
}

// NewTraces returns the Traces of a service with this lock mode. Its spans are children of
// the span in a request's context.
func NewTraces(provider trace.TracerProvider, mode locking.Mode) *Traces {
	return &Traces{
		tracer: provider.Tracer("orderd/internal/order"),
		mode:   trace.WithAttributes(attribute.String("orderd.lock.mode", string(mode))),
	}
}

// A timing is a step that has begun.
type timing struct {
	record *record
	name   string
	start  time.Time
	span   trace.Span // nil: it has none
}

// begin starts a step of a request or a group. The context that it returns is for the calls
// made in the step: their spans are its children.
func begin(ctx context.Context, name string) (context.Context, timing) {
	t := timing{record: recordOf(ctx), name: name, start: time.Now()}
	if traces := t.record.traces; traces != nil && trace.SpanFromContext(ctx).IsRecording() {
		ctx, t.span = traces.tracer.Start(ctx, name, traces.mode)
	}
	return ctx, t
}

// end records how long the step has taken, and ends its span.
func (t timing) end() {
	t.record.steps = append(t.record.steps, step{t.name, time.Since(t.start)})
	if t.span != nil {
		t.span.End()
	}
}

// A groupSpan is the span of a group. nil: it has none.
type groupSpan struct{ trace.Span }

// group starts the span of a group, or returns nil if none of its requests is sampled. The
// span is a child of the first that is: in a trace of its own it would be sampled
// independently, and would hardly ever exist for a request that is.
func (t *Traces) group(ctx context.Context, name string, since time.Time, group []*waiter) (context.Context, *groupSpan) {
	if t == nil {
		return ctx, nil
	}
	for _, w := range group {
		if parent := trace.SpanContextFromContext(w.ctx); parent.IsSampled() {
			ctx, span := t.tracer.Start(trace.ContextWithSpanContext(ctx, parent), name, t.mode, trace.WithTimestamp(since))
			return ctx, &groupSpan{span}
		}
	}
	return ctx, nil
}

// serves links the span to the sampled requests of the group, each of them.
func (g *groupSpan) serves(group []*waiter) {
	if g == nil {
		return
	}
	g.SetAttributes(attribute.Int("orderd.group.size", len(group)))
	for _, w := range group {
		if request := trace.SpanContextFromContext(w.ctx); request.IsSampled() {
			g.AddLink(trace.Link{SpanContext: request})
		}
	}
}

func (g *groupSpan) end() {
	if g != nil {
		g.End()
	}
}

// waited makes a span of a request's wait in a lane, and links the request to the group
// that took it, if one did.
func (t *Traces) waited(w *waiter, lane string, took time.Duration, group *groupSpan) {
	request := trace.SpanFromContext(w.ctx)
	if t == nil || !request.IsRecording() {
		return
	}
	_, span := t.tracer.Start(w.ctx, lane, t.mode, trace.WithTimestamp(w.arrived))
	span.End(trace.WithTimestamp(w.arrived.Add(took)))
	if group != nil {
		request.AddLink(trace.Link{SpanContext: group.SpanContext()})
	}
}

// answered names the request's span after its route, and records why it failed unless that
// was the client's fault.
func (t *Traces) answered(ctx context.Context, method, route string, status int, err error) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	if route != noRoute {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.route", route))
	}
	if status >= http.StatusInternalServerError && err != nil {
		span.RecordError(err)
	}
}

// traceOf returns the ids of a request's trace and of its span, for the log and the client.
// Where orderd makes no spans it returns the trace of the traceparent header, if there is
// one, without a span.
func traceOf(ctx context.Context) (traceID, spanID string) {
	if own := trace.SpanContextFromContext(ctx); own.IsValid() {
		return own.TraceID().String(), own.SpanID().String()
	}
	header := propagation.HeaderCarrier(recordOf(ctx).header)
	sender := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), header))
	if !sender.IsValid() {
		return "", ""
	}
	return sender.TraceID().String(), ""
}

// sampled returns the id of the request's trace if it is sampled, or "".
func (t *Traces) sampled(ctx context.Context) string {
	if t == nil {
		return ""
	}
	if own := trace.SpanContextFromContext(ctx); own.IsSampled() {
		return own.TraceID().String()
	}
	return ""
}
