package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"orderd/internal/stack/stacktest"
)

// scrape starts an orderd with every part enabled, lets it place and refuse orders, and returns
// its metrics by name, and the text that they were parsed from.
func scrape(t *testing.T) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	d := newDeployment(t)
	r := d.start(t, "r1", "redis", "--events-stream", "events-of-metrics", "--events-redis-url", stacktest.Redis(t))
	r.mustSet(t, "A-1", 2, "predicate")
	r.mustSet(t, "B-1", 2, "none")
	for _, body := range []string{orderOne, orderOne, orderOne, `{"lines":[{"sku":"B-1","quantity":2}],"hold_seconds":5}`} {
		r.send(t, http.MethodPost, "/v1/orders", body)
	}
	text := read(t, r.admin+"/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families, text
}

func TestMetrics_AreLintedAndHoldNoSKU(t *testing.T) {
	t.Parallel()
	families, text := scrape(t)
	gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return slices.Collect(maps.Values(families)), nil
	})
	problems, err := testutil.GatherAndLint(gatherer)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		`orderd_orders_total{outcome="confirmed"} 2`,
		`orderd_orders_total{outcome="held"} 1`,
		`orderd_orders_total{outcome="sold_out"} 1`,
		`orderd_orders_total{outcome="busy"} 0`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="201",http_route="/v1/orders"} 3`,
		`orderd_lock_wait_seconds_count{mode="redis",outcome="granted"}`, `orderd_lock_hold_seconds_count{mode="redis"}`,
		`orderd_lock_lost_total{mode="redis",reason="expired"} 0`,
		`orderd_redis_pool_connections{use="stock"}`, `orderd_redis_pool_connections{use="locks"}`, `orderd_redis_pool_connections{use="events"}`,
		"orderd_ready 1", "orderd_oversold_units_total 0", "go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(text, "A-1") || strings.Contains(text, "B-1") {
		t.Error("/metrics holds a SKU: its size would grow with the shop")
	}
	about := families["orderd_build_info"].GetMetric()[0]
	if got := labels(families["orderd_build_info"]); !slices.Equal(got, []string{"goversion", "revision", "version"}) || about.GetGauge().GetValue() != 1 {
		t.Errorf("orderd_build_info has %v and the value %v, want version, revision, goversion and 1", got, about.GetGauge().GetValue())
	}
}

// documented finds the lines of the metrics' tables: name, type, labels.
var documented = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\| ([^|]*)\\|")

// The metrics are those documented, with their types and labels, and no others: the dashboard
// is made from the document.
func TestMetrics_AreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, m := range documented.FindAllStringSubmatch(string(page), -1) {
		names := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[3], -1)
		var labels []string
		for _, l := range names {
			labels = append(labels, l[1])
		}
		slices.Sort(labels)
		want[m[1]] = fmt.Sprint(m[2], labels)
	}
	families, _ := scrape(t)
	got := map[string]string{}
	for name, f := range families {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue // the client library's
		}
		got[name] = fmt.Sprint(strings.ToLower(f.GetType().String()), labels(f))
	}
	for name, is := range got {
		if want[name] != is {
			t.Errorf("%s is %s, and documented as %q", name, is, want[name])
		}
	}
	for name := range want {
		if got[name] == "" {
			t.Errorf("%s is documented and not there", name)
		}
	}
}

// labels returns the sorted names of the labels of all of a family's series.
func labels(f *dto.MetricFamily) []string {
	names := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			names[l.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// metricNames finds the metrics in an expression.
var metricNames = regexp.MustCompile(`\b(?:orderd|http_server|go|process)_[a-z_]+\b`)

// Alerts and dashboard use no metric that does not exist.
func TestMetrics_OfAlertsAndDashboardAreThere(t *testing.T) {
	t.Parallel()
	families, _ := scrape(t)
	for _, file := range []string{"../../deploy/alerts.yml", "../../deploy/grafana/dashboards/orderd.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := metricNames.FindAllString(string(text), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics, want to have found them", file, len(asked))
		}
		for _, name := range asked {
			family := families[name]
			for _, part := range []string{"_bucket", "_count", "_sum"} {
				if whole, of := strings.CutSuffix(name, part); of && family == nil {
					family = families[whole]
				}
			}
			if family == nil {
				t.Errorf("%s: no orderd has %s", file, name)
			}
		}
	}
}

// What fails and is tried again for ever is told to somebody.
func TestMetrics_FailuresHaveAlerts(t *testing.T) {
	t.Parallel()
	alerts, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	families, _ := scrape(t)
	found := 0
	for name := range families {
		// A level that is not written back has drifted, which has an alert of its own.
		if !strings.HasSuffix(name, "_failures_total") || name == "orderd_stock_write_back_failures_total" {
			continue
		}
		found++
		if !strings.Contains(string(alerts), name) {
			t.Errorf("no alert is about %s", name)
		}
	}
	if found < 3 {
		t.Errorf("%d metrics of failures, want to have found them", found)
	}
}

// Every answer that is no fault of the client's counts for an alert that wakes somebody.
func TestMetrics_FaultsOfOursWakeSomebody(t *testing.T) {
	t.Parallel()
	alerts, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"unavailable", "lease_lost", "outcome_unknown", "internal"} {
		if !regexp.MustCompile(`outcome=~"[a-z_|]*\b` + code + `\b`).Match(alerts) {
			t.Errorf("OrderdFailing does not count %s", code)
		}
	}
}

// Oversold units are counted: here of a SKU with guard none, in mode none.
func TestMetrics_CountWhatIsOversold(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	r := d.start(t, "r1", "none", "--work", "3s") // both orders have read the level before either writes
	r.mustSet(t, "A-1", 3, "none")
	const orderTwo = `{"lines":[{"sku":"A-1","quantity":2}]}`
	sold := make(chan int, 2)
	for range cap(sold) {
		go func() {
			status, _ := r.send(t, http.MethodPost, "/v1/orders", orderTwo)
			sold <- status
		}()
	}
	for range cap(sold) {
		if status := <-sold; status != http.StatusCreated {
			t.Errorf("an order was answered %d, want both sold", status)
		}
	}
	if got := metric(t, r, "orderd_oversold_units_total"); got != "1" {
		t.Errorf("%s units oversold, want 1: 4 of 3 were sold", got)
	}
}

// A replica that lacks a server, or drains, says in its metrics too that it is not ready.
func TestMetrics_TellReadiness(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if got := metric(t, d.start(t, "r1", "local"), "orderd_ready"); got != "1" {
		t.Errorf("orderd_ready is %s, want 1", got)
	}
	d.stock = "redis://" + stacktest.UnusedAddress(t)
	if got := metric(t, d.startUnready(t, "r2", "local"), "orderd_ready"); got != "0" {
		t.Errorf("without Redis orderd_ready is %s, want 0", got)
	}
}

// In the OpenMetrics format the durations of requests have traces as exemplars.
func TestMetrics_HaveTracesForExamples(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	_, d.env = traced(t)
	r := d.start(t, "r1", "local")
	r.mustSet(t, "A-1", 1, "predicate")
	r.sendWith(t, http.MethodPost, "/v1/orders", orderOne, traceparent(sentTrace, sentSpan, "01")...)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text")
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body.String(), `# {trace_id="`+sentTrace+`"}`) {
		t.Error("no time of a request has its trace for an example")
	}
}
