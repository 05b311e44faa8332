package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
)

// Connections is how many connections to the database the nth replica, counted from 1, has.
func (f *Fleet) Connections(ctx context.Context, n int) (int, error) {
	var count int
	err := f.db.QueryRow(ctx, `
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name ~ ('^orderd (lock )?r' || $1 || '( |$)')`,
		strconv.Itoa(n)).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count the connections: %w", err)
	}
	return count, nil
}

// Held is how many orders have the status held in the database, even if their time is over.
func (f *Fleet) Held(ctx context.Context) (int, error) {
	var held int
	if err := f.db.QueryRow(ctx, `SELECT count(*) FROM orders WHERE status = 'held'`).Scan(&held); err != nil {
		return 0, fmt.Errorf("count the held orders: %w", err)
	}
	return held, nil
}

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
	if _, err := read(ctx, r.AdminURLs[n]+"/debug/pprof/heap?gc=1"); err != nil {
		return nil, err
	}
	text, err := read(ctx, r.AdminURLs[n]+"/metrics")
	metrics := map[string]float64{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(number, 64); err == nil {
			metrics[name] = value
		}
	}
	return metrics, err
}

func read(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
