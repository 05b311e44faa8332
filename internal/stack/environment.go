package stack

import (
	"os"
	"slices"
	"strings"
)

// Alone removes from this process's environment what is meant for other servers and for a
// shop's replicas: PGHOST or ORDERD_RATE_LIMIT would send it to servers that are not the
// stack's, or have it measure and judge settings that nobody chose. Main functions call it
// before they open a stack.
func Alone() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		foreign := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if slices.ContainsFunc([]string{"PG", "ORDERD_", "OTEL_"}, foreign) || name == "DATABASE_URL" || name == "REDIS_URL" {
			_ = os.Unsetenv(name) // it fails for invalid names only
		}
	}
}
