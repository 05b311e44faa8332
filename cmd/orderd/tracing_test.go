package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"orderd/internal/locking"
)

// The trace and the parent span that requests name in their traceparent header.
const (
	sentTrace = "0af7651916cd43dd8448eb211c80319c"
	sentSpan  = "b7ad6b7169203331"
)

func traceparent(trace, span, flags string) []string {
	return []string{"Traceparent", "00-" + trace + "-" + span + "-" + flags}
}

// end stops the replica, which flushes its spans.
func (r *replica) end(t *testing.T) {
	t.Helper()
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A single order: the spans of the request, of its steps, and of their calls to the servers.
func TestTraces_OfAnOrder(t *testing.T) {
	t.Parallel()
	for mode, asked := range map[locking.Mode]string{
		locking.ModeNone: "", locking.ModeLocal: "", locking.ModeZooKeeper: "", locking.ModePostgres: "", // their clients make no spans
		locking.ModeRedis: "redis", locking.ModeRedlock: "redis",
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			var c *collector
			c, d.env = traced(t)
			r := d.start(t, "r1", string(mode), "--batch-max", "1")
			r.mustSet(t, "A-1", 1, "predicate")
			if a := r.sendWith(t, http.MethodPost, "/v1/orders", orderOne, traceparent(sentTrace, sentSpan, "01")...); a.status != http.StatusCreated {
				t.Fatalf("the order was answered %d, want 201", a.status)
			}
			r.end(t)

			requests := c.named("POST /v1/orders")
			if len(requests) != 1 {
				t.Fatalf("%d spans of the request; there are %v", len(requests), names(c.all()))
			}
			request := requests[0]
			if idOf(request.TraceId) != sentTrace || idOf(request.ParentSpanId) != sentSpan {
				t.Errorf("the request's span is %x in %x, want it below the sender's", request.ParentSpanId, request.TraceId)
			}
			if request.Kind != tracepb.Span_SPAN_KIND_SERVER || attribute(request, "http.route") != "/v1/orders" || c.service != "orderd" {
				t.Errorf("the request's span is %v of %q with %v", request.Kind, c.service, request.Attributes)
			}
			lock := c.the(t, request, "lock")
			if attribute(lock, "orderd.lock.mode") != string(mode) || asked != "" && !c.asks(lock, asked) {
				t.Errorf("lock has %v and below it %v, want mode %s and what is asked of %q", lock.Attributes, names(c.below(lock)), mode, asked)
			}
			if stock := c.the(t, request, "stock"); !c.asks(stock, "redis") {
				t.Errorf("stock has below it %v, want what is asked of Redis", names(c.below(stock)))
			}
			if commit := c.the(t, request, "commit"); !c.asks(commit, "postgresql") {
				t.Errorf("commit has below it %v, want what is asked of Postgres", names(c.below(commit)))
			}
			checkSpans(t, c)
		})
	}
}

// checkSpans checks what holds for all spans: only those of requests have no parent, no others
// name a SKU, and no internal span is an error.
func checkSpans(t *testing.T, c *collector) {
	t.Helper()
	known := map[string]bool{sentSpan: true}
	for _, s := range c.all() {
		known[idOf(s.SpanId)] = true
	}
	for _, s := range c.all() {
		server := s.Kind == tracepb.Span_SPAN_KIND_SERVER
		if len(s.ParentSpanId) == 0 && !server || len(s.ParentSpanId) != 0 && !known[idOf(s.ParentSpanId)] {
			t.Errorf("span %q has no parent, want none but requests to be alone", s.Name)
		}
		if strings.Contains(s.Name, "A-1") || strings.Contains(s.Name, "livez") || strings.Contains(s.Name, "readyz") {
			t.Errorf("there is a span %q", s.Name)
		}
		if !server && strings.Contains(fmt.Sprint(s.Attributes), "A-1") {
			t.Errorf("span %q tells of a SKU: %v", s.Name, s.Attributes)
		}
		if s.Kind == tracepb.Span_SPAN_KIND_INTERNAL && s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			t.Errorf("span %q is an error: %v", s.Name, s.Status)
		}
	}
}

// Orders that are placed together: each has spans of its request and of its wait in the lane,
// and one span, which is linked with all the requests, has the group's steps.
func TestTraces_OfAGroup(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	var c *collector
	c, d.env = traced(t)
	r := d.start(t, "r1", "redis", "--lock-wait", "10s")
	r.mustSet(t, "A-1", 10, "predicate")
	release := takeTurn(t, d, "A-1")

	const orders = 5
	var buyers sync.WaitGroup
	buy := func(headers ...string) {
		buyers.Go(func() {
			if a := r.sendWith(t, http.MethodPost, "/v1/orders", orderOne, headers...); a.status != http.StatusCreated {
				t.Errorf("an order was answered %d %v, want 201", a.status, a.members)
			}
		})
	}
	buy(traceparent(sentTrace, sentSpan, "00")...) // not sampled by its sender
	await(t, "the first to wait for the lock", func() bool { return metric(t, r, `orderd_lock_waiters{mode="redis"}`) == "1" })
	for range orders {
		buy()
	}
	await(t, "the others to wait in the lane", func() bool { return metric(t, r, "orderd_lane_orders") == fmt.Sprint(orders) })
	release()
	buyers.Wait()
	r.end(t)

	requests, groups := c.named("POST /v1/orders"), c.named("group")
	if len(requests) != orders || len(groups) != 1 {
		t.Fatalf("%d spans of requests and %d of groups, want %d and 1; there are %v", len(requests), len(groups), orders, names(c.all()))
	}
	group := groups[0]
	if len(group.Links) != orders || number(group, "orderd.group.size") != orders+1 {
		t.Errorf("the group has %d links and size %d, want %d and %d", len(group.Links), number(group, "orderd.group.size"), orders, orders+1)
	}
	parents := 0
	for _, request := range requests {
		if string(group.ParentSpanId) == string(request.SpanId) {
			parents++
		}
		c.the(t, request, "lane")
		if !linked(request, group) || !linked(group, request) {
			t.Errorf("a request and its group do not know each other: %v, %v", request.Links, group.Links)
		}
	}
	if parents != 1 {
		t.Errorf("the group is below %d of its requests, want one", parents)
	}
	if stock := c.the(t, group, "stock"); !c.asks(stock, "redis") {
		t.Errorf("stock has below it %v, want what is asked of Redis", names(c.below(stock)))
	}
	if commit := c.the(t, group, "commit"); !c.asks(commit, "postgresql") {
		t.Errorf("commit has below it %v, want what is asked of Postgres", names(c.below(commit)))
	}
	checkSpans(t, c)
}

// The span of a group of one, which is what most are in a quiet shop, is below its request, and
// so is the lookup of a key.
func TestTraces_OfAGroupOfOne(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	var c *collector
	c, d.env = traced(t)
	r := d.start(t, "r1", "redis")
	r.mustSet(t, "A-1", 1, "predicate")
	const laterTrace = "7c1b4a2e9d3f4856a0b1c2d3e4f50617"
	for _, trace := range []string{sentTrace, laterTrace} { // the key is looked up when it is sent again
		headers := append(traceparent(trace, sentSpan, "01"), "Idempotency-Key", "k-1")
		if a := r.sendWith(t, http.MethodPost, "/v1/orders", orderOne, headers...); a.status != http.StatusCreated {
			t.Fatalf("the order was answered %d %v, want 201", a.status, a.members)
		}
	}
	r.end(t)
	requests := c.named("POST /v1/orders")
	if len(requests) == 2 && idOf(requests[0].TraceId) == laterTrace {
		slices.Reverse(requests)
	}
	if len(requests) != 2 || idOf(requests[0].TraceId) != sentTrace || idOf(requests[1].TraceId) != laterTrace {
		t.Fatalf("requests %v; there are %v", requests, names(c.all()))
	}
	group := c.the(t, requests[0], "group")
	if lock := c.the(t, group, "lock"); !c.asks(lock, "redis") {
		t.Errorf("lock has below it %v, want what is asked of Redis", names(c.below(lock)))
	}
	c.the(t, group, "stock")
	c.the(t, group, "commit")
	c.the(t, requests[0], "lane")
	c.the(t, requests[1], "keys")
	if look := c.the(t, requests[1], "look for keys"); !c.asks(look, "postgresql") {
		t.Errorf("the look for keys has below it %v, want what is asked of Postgres", names(c.below(look)))
	}
	checkSpans(t, c)
}

// Answers and log lines name the trace and the request, so that a caller can ask about one.
// With or without tracing, the trace is the sender's.
func TestTraces_AreNamedInProblemsAndLogs(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]bool{"traced": true, "not traced": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			c := &collector{}
			if on {
				c, d.env = traced(t)
			}
			r := d.start(t, "r1", "redis", "--log-level", "debug")
			r.mustSet(t, "A-1", 1, "predicate")
			for n, row := range []struct {
				body, code string // "": placed
			}{
				{orderOne, ""}, {orderOne, "sold_out"}, {`{"lines":[]}`, "invalid"}, {"{", "malformed"},
			} {
				headers := append(traceparent(sentTrace, sentSpan, "01"), "X-Request-Id", "shop/42")
				a := r.sendWith(t, http.MethodPost, "/v1/orders", row.body, headers...)
				if row.code != "" && (a.members["code"] != row.code || a.members["trace_id"] != sentTrace) {
					t.Errorf("%s is answered %v, want %s and the trace", row.body, a.members, row.code)
				}
				if got := a.header["X-Request-Id"]; !slices.Equal(got, []string{"shop/42"}) {
					t.Errorf("X-Request-Id %q, want it back as it was sent", got)
				}
				line := logged(t, r, n+1)
				span, named := line["span_id"].(string)
				if line["trace_id"] != sentTrace || line["request_id"] != "shop/42" || named != on || on && span == sentSpan {
					t.Errorf("%s is logged as %v, want trace and request, and a span of its own if there is one", row.body, line)
				}
			}
			r.end(t)
			if len(c.all()) > 0 != on {
				t.Errorf("%d spans, want some: %v", len(c.all()), on)
			}
		})
	}
}

// A failure that is not the client's fault makes the request's span an error, with the reason;
// being sold out does not.
func TestTraces_ErrorsAreOurOwn(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	var c *collector
	c, d.env = traced(t)
	r := d.start(t, "r1", "redis", "--lock-wait", "1s")
	r.mustSet(t, "A-1", 1, "predicate")
	release := takeTurn(t, d, "A-1")
	if _, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); answer["code"] != "busy" {
		t.Errorf("an order while the lock is held is answered %v, want busy", answer)
	}
	release()
	for _, want := range []any{nil, "sold_out"} {
		if _, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); answer["code"] != want {
			t.Errorf("an order is answered %v, want %v", answer, want)
		}
	}
	r.end(t)
	failed := map[bool]int{}
	for _, s := range c.named("POST /v1/orders") {
		isError := s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR
		failed[isError]++
		if isError != (number(s, "http.response.status_code") == http.StatusServiceUnavailable) || isError != (len(s.Events) == 1) {
			t.Errorf("a request answered %d has status %v and events %v", number(s, "http.response.status_code"), s.Status, s.Events)
		}
	}
	if failed[true] != 1 || failed[false] != 2 {
		t.Errorf("%d requests are errors and %d are none, want 1 and 2", failed[true], failed[false])
	}
	checkSpans(t, c)
}

// A collector that accepts everything and answers nothing does not keep the process alive.
func TestTraces_AreFlushedWithinALimit(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d.env = []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://" + silent.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=600000"}
	r := d.start(t, "r1", "local")
	r.mustSet(t, "A-1", 1, "predicate")
	r.end(t)
	if r.ExitCode() != 0 {
		t.Errorf("exit code %d, want 0", r.ExitCode())
	}
	if log := whole(t, r); !strings.Contains(log, "the last spans were not sent") {
		t.Errorf("the log does not tell that spans are lost: %s", log)
	}
}

func TestTracing_IsOnlyForAskers(t *testing.T) {
	t.Parallel()
	for want, settings := range map[bool][]map[string]string{
		false: {
			{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SERVICE_NAME": "shop"}, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"},
			{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
			{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
		},
		true: {
			{"OTEL_TRACES_EXPORTER": "otlp"}, {"OTEL_TRACES_EXPORTER": "console"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
			{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"},
		},
	} {
		for _, env := range settings {
			if got := tracingWanted(func(name string) string { return env[name] }); got != want {
				t.Errorf("with %v: %v, want %v", env, got, want)
			}
		}
	}
	var off *tracing
	handler := http.NotFoundHandler()
	if off.postgres() != nil || off.orders(locking.ModeRedis) != nil || fmt.Sprintf("%p", off.http(handler)) != fmt.Sprintf("%p", handler) {
		t.Error("something is wrapped though nobody asks for traces")
	}
}

// takeTurn holds the lock of a SKU in mode redis until it is released.
func takeTurn(t *testing.T, d deployment, sku string) (release func()) {
	t.Helper()
	options, err := redis.ParseURL(d.locks)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := locking.NewRedis(locking.RedisConfig{
		Server: &redis.UniversalOptions{Addrs: []string{options.Addr}, DB: options.DB}, TTL: 10 * time.Second, Owner: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := locks.Acquire(t.Context(), sku)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := lease.Release(context.Background()); err != nil {
			t.Error(err)
		}
		locks.Close()
	}
}

// metric returns the value of a series in a replica's metrics, or "".
func metric(t *testing.T, r *replica, series string) string {
	t.Helper()
	for line := range strings.Lines(read(t, r.admin+"/metrics")) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// whole returns all that a replica has logged.
func whole(t *testing.T, r *replica) string {
	t.Helper()
	text, err := os.ReadFile(r.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logged waits for the line of the nth order in the log and returns its members.
func logged(t *testing.T, r *replica, n int) (members map[string]any) {
	t.Helper()
	await(t, "the order in the log", func() bool {
		seen := 0
		for text := range strings.Lines(whole(t, r)) {
			line := map[string]any{}
			if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == "request" && line["route"] == "/v1/orders" {
				seen++
				members = line
			}
		}
		return seen == n
	})
	return members
}
