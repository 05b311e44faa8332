package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A collector takes spans as any OpenTelemetry collector does.
type collector struct {
	url string

	mu      sync.Mutex
	spans   []*tracepb.Span
	service string // of the latest
}

// traced starts a collector and returns the settings of replicas that trace to it. They send
// nothing before they end: what is there afterwards was flushed.
func traced(t *testing.T) (*collector, []string) {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_BSP_SCHEDULE_DELAY=3600000"}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := &collectorpb.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				c.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// all returns the spans received so far.
func (c *collector) all() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans
}

// named returns the spans of that name.
func (c *collector) named(name string) []*tracepb.Span {
	var found []*tracepb.Span
	for _, s := range c.all() {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// below returns a span's children, without their children.
func (c *collector) below(parent *tracepb.Span) []*tracepb.Span {
	var found []*tracepb.Span
	for _, s := range c.all() {
		if string(s.ParentSpanId) == string(parent.SpanId) && string(s.TraceId) == string(parent.TraceId) {
			found = append(found, s)
		}
	}
	return found
}

// the returns the only child of that name.
func (c *collector) the(t *testing.T, parent *tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	var found []*tracepb.Span
	for _, s := range c.below(parent) {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q below %q, want one; there are %v", len(found), name, parent.Name, names(c.below(parent)))
	}
	return found[0]
}

// asks reports whether there is a client's span of the system anywhere below a span.
func (c *collector) asks(parent *tracepb.Span, system string) bool {
	for _, s := range c.below(parent) {
		asked := attribute(s, "db.system") + attribute(s, "db.system.name")
		if s.Kind == tracepb.Span_SPAN_KIND_CLIENT && asked == system {
			return true
		}
		if c.asks(s, system) {
			return true
		}
	}
	return false
}

func names(spans []*tracepb.Span) []string {
	list := make([]string, len(spans))
	for i, s := range spans {
		list[i] = s.Name
	}
	return list
}

func attribute(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

func number(s *tracepb.Span, key string) int64 {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetIntValue()
		}
	}
	return 0
}

func linked(s, to *tracepb.Span) bool {
	for _, l := range s.Links {
		if string(l.SpanId) == string(to.SpanId) && string(l.TraceId) == string(to.TraceId) {
			return true
		}
	}
	return false
}

func idOf(b []byte) string { return hex.EncodeToString(b) }
