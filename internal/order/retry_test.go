package order

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLedger_RetriesWhatPostgresRolledBack(t *testing.T) {
	t.Parallel()
	deadlock := fmt.Errorf("lock the rows: %w", &pgconn.PgError{Code: "40P01"})
	other := &pgconn.PgError{Code: "23505"}
	for name, row := range map[string]struct {
		errs    []error // of one try after the other
		want    error
		retries float64
	}{
		"at once":                {[]error{nil}, nil, 0},
		"a deadlock, then right": {[]error{deadlock, nil}, nil, 1},
		"three deadlocks":        {[]error{deadlock, deadlock, deadlock}, deadlock, 2},
		"another error":          {[]error{other}, other, 0},
		"one after a deadlock":   {[]error{deadlock, other}, other, 1},
	} {
		m := NewMetrics(prometheus.NewRegistry())
		tries := 0
		err := (&Ledger{metrics: m}).retry(func() error {
			tries++
			return row.errs[tries-1]
		})
		if !errors.Is(err, row.want) || tries != len(row.errs) {
			t.Errorf("%s: %v after %d tries, want %v after %d", name, err, tries, row.want, len(row.errs))
		}
		if n := testutil.ToFloat64(m.retries.WithLabelValues("40P01")); n != row.retries {
			t.Errorf("%s: %v retries counted, want %v", name, n, row.retries)
		}
	}
}
