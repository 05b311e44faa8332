package stack

import (
	"os"
	"slices"
	"strings"
)

// Alone takes out of this process's environment what is meant for other servers and
// for the replicas of a shop: by PGHOST, or ORDERD_RATE_LIMIT, it would find its way to
// servers that are not the stack's, and measure and judge what nobody has set up. Main
// functions call it before they open a stack.
func Alone() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		foreign := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if slices.ContainsFunc([]string{"PG", "ORDERD_", "OTEL_"}, foreign) || name == "DATABASE_URL" || name == "REDIS_URL" {
			_ = os.Unsetenv(name) // it was there a moment ago
		}
	}
}
