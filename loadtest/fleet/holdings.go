package fleet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Reconcile runs orderd reconcile --check. It returns the output, and whether all is right;
// an error if that is unknown.
func (f *Fleet) Reconcile(ctx context.Context) (said string, right bool, err error) {
	out, err := exec.CommandContext(ctx, f.orderd, "reconcile", "--check",
		"--database-url", f.url, "--redis-url", f.Stock.URL).CombinedOutput()
	said = strings.TrimSpace(string(out))
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return said, false, nil
	}
	if err != nil {
		return said, false, fmt.Errorf("orderd reconcile --check: %w\n%s", err, said)
	}
	return said, true, nil
}

// Metrics reads the metrics without labels of the nth replica, counted from 0, after a
// garbage collection there.
func (r *Replicas) Metrics(ctx context.Context, n int) (map[string]float64, error) {
	if _, _, err := Get(ctx, r.AdminURLs[n]+"/debug/pprof/heap?gc=1"); err != nil {
		return nil, err
	}
	_, text, err := Get(ctx, r.AdminURLs[n]+"/metrics")
	metrics := map[string]float64{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(number, 64); err == nil {
			metrics[name] = value
		}
	}
	return metrics, err
}
