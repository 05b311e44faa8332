package stack

import (
	"os"
	"testing"
)

func TestAlone(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGAPPNAME", "ORDERD_RATE_LIMIT", "OTEL_TRACES_EXPORTER", "DATABASE_URL", "REDIS_URL", "STACK_TEST"} {
		t.Setenv(name, "x")
	}
	Alone()
	for _, name := range []string{"PGHOST", "PGAPPNAME", "ORDERD_RATE_LIMIT", "OTEL_TRACES_EXPORTER", "DATABASE_URL", "REDIS_URL"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s is still %q", name, value)
		}
	}
	if os.Getenv("STACK_TEST") != "x" || os.Getenv("PATH") == "" {
		t.Error("what is nobody's is gone too")
	}
}
