package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// parserOf returns orderd's command line, and what it sets.
func parserOf(t *testing.T) (*kong.Kong, *commands) {
	t.Helper()
	c := &commands{}
	parser, err := kong.New(c, kong.Vars{"version": version(), "modes": modeList(), "replica": "HOST-PID"})
	if err != nil {
		t.Fatal(err)
	}
	return parser, c
}

// defaults returns what the settings are if nobody sets them.
func defaults(t *testing.T) *commands {
	t.Helper()
	parser, c := parserOf(t)
	if _, err := parser.Parse([]string{"serve", "--database-url", "postgres://127.0.0.1/x", "--redis-url", "redis://127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// operations is what operators read.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settingOf is the beginning of a setting's row in the table of its command.
func settingOf(flag *kong.Flag) string {
	variable := "–"
	if len(flag.Envs) > 0 {
		variable = "`" + flag.Envs[0] + "`"
	}
	if flag.Name == "api-keys" {
		variable = "`" + keysVariable + "`" // which may hold more than the flag may
	}
	value := "–"
	switch {
	case flag.Required:
		value = "needed"
	case flag.HasDefault:
		value = "`" + flag.Default + "`"
	}
	return fmt.Sprintf("| `--%s` | %s | %s |", flag.Name, variable, value)
}

// Every setting of orderd serve is in the table, with its variable and default,
// and none that is not there.
func TestOperations_TellOfEverySetting(t *testing.T) {
	t.Parallel()
	parser, _ := parserOf(t)
	text := operations(t)
	var known []string
	for _, command := range parser.Model.Leaves(true) {
		for _, flags := range command.AllFlags(true) {
			for _, flag := range flags {
				if flag.Name == "help" || flag.Name == "version" {
					continue
				}
				known = append(known, flag.Name)
				if row := settingOf(flag); command.Name == "serve" && !strings.Contains(text, "\n"+row) {
					t.Errorf("docs/operations.md lacks a line %s", row)
				}
			}
		}
	}
	for _, found := range regexp.MustCompile(`\bORDERD_[A-Z_]+\b`).FindAllString(text, -1) {
		row := "`" + found + "`"
		if found != zooKeeperAuth && !strings.Contains(text, "| "+row+" |") {
			t.Errorf("docs/operations.md names %s, which is no setting", found)
		}
	}
	for _, found := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, found[1]) {
			t.Errorf("docs/operations.md names --%s, which no command has", found[1])
		}
	}
}

// describedMetrics are those that a replica may show, though it has not yet.
func describedMetrics(t *testing.T) string {
	t.Helper()
	d := newDeployment(t)
	db, err := openDatabase(t.Context(), d.database, "r1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reg, log := newRegistry(db), slog.New(slog.DiscardHandler)
	order.NewMetrics(reg)
	stock.NewReconciler(db, nil, nil, time.Second, log, reg)
	stock.NewRelay(db, nil, "e", 1, log, reg)
	locks, err := (&serveCommand{LockMode: locking.ModeRedis, RedisURL: d.stock, LockTTL: time.Second, ID: "r1"}).openLocker()
	if err != nil {
		t.Fatal(err)
	}
	defer locks.Close()
	locking.Instrument(locks, locking.ModeRedis, reg)
	all := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(all)
		close(all)
	}()
	var text strings.Builder
	for metric := range all {
		fmt.Fprintln(&text, metric)
	}
	return text.String()
}

// Every metric of ours that a replica may show is explained, and none that it
// does not.
func TestOperations_TellOfEveryMetric(t *testing.T) {
	t.Parallel()
	r := newDeployment(t).start(t, "r1", "redis", "--events-stream", "orderd:events")
	r.mustSet(t, "A-1", 5, "predicate")
	r.send(t, http.MethodPost, "/v1/orders", orderOne)
	known := map[string]bool{}
	for text, name := range map[string]*regexp.Regexp{
		read(t, r.admin+"/metrics"): regexp.MustCompile(`(?m)^# TYPE ((?:orderd|http_server)_\w+) `),
		describedMetrics(t):         regexp.MustCompile(`fqName: "((?:orderd|http_server)_\w+)"`),
	} {
		for _, found := range name.FindAllStringSubmatch(text, -1) {
			known[found[1]] = true
		}
	}
	text := operations(t)
	told := map[string]bool{}
	for _, found := range regexp.MustCompile("`((?:orderd|http_server)_[a-z_]+)").FindAllStringSubmatch(text, -1) {
		told[found[1]] = true
	}
	for _, user := range []string{"orderd_owner", "orderd_app", "orderd_service"} {
		delete(told, user) // of Postgres
	}
	for metric := range known {
		if !told[metric] {
			t.Errorf("docs/operations.md does not explain the metric %s", metric)
		}
	}
	for metric := range told {
		if !known[metric] {
			t.Errorf("docs/operations.md explains the metric %s, which there is not", metric)
		}
	}
}
