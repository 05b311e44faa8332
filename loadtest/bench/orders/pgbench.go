package orders

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed pgbench_three.sql
	threeStatements string
	//go:embed pgbench_one.sql
	oneStatement string
)

// referenceClients are the numbers of clients that pgbench is tried with: it is compared at
// its best, which is at few clients on a hot row and at many on cold ones.
var referenceClients = []int{1, 2, 4, 8, 16, 32, 64, 128}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without initial connection time\)`)

// pgbench runs a script on a fresh database, once to warm up, and returns the transactions
// per second of a second run.
func (l *Lab) pgbench(ctx context.Context, script string, clients, skus int, warmUp, window time.Duration) (rate float64, err error) {
	d, err := l.fresh(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.drop(ctx, d)) }()
	if _, err := d.stock(ctx, "S", skus, plenty); err != nil {
		return 0, err
	}
	file := filepath.Join(l.dir, "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		return 0, err
	}
	for _, lasts := range []time.Duration{warmUp, window} {
		if rate, err = l.runPgbench(ctx, file, d.url, clients, skus, lasts); err != nil {
			return 0, err
		}
	}
	return rate, nil
}

func (l *Lab) runPgbench(ctx context.Context, file, url string, clients, skus int, lasts time.Duration) (float64, error) {
	cmd := exec.CommandContext(ctx, l.fleet.Postgres.Tool("pgbench"), "--no-vacuum", "--protocol=prepared", "--file="+file,
		// As many threads as there are processors: with fewer, pgbench itself would be the
		// bottleneck.
		"--client="+strconv.Itoa(clients), "--jobs="+strconv.Itoa(min(clients, runtime.NumCPU())), "--define=skus="+strconv.Itoa(skus),
		// It takes whole seconds.
		"--time="+strconv.Itoa(max(1, int(lasts.Round(time.Second).Seconds()))), url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	found := tps.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("pgbench does not tell its speed:\n%s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
