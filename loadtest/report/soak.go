package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/audit"
)

// SoakCommand is the command whose results are a long drive in parts.
const SoakCommand = "soak"

// A Soak is what a part of a soak had besides its orders: how often each kind of request was
// sent and each disruption was done, and what the replica that was never restarted held
// before and after.
type Soak struct {
	Sent   map[string]int `json:"sent"`
	Done   map[string]int `json:"done"`
	Before Holdings       `json:"before"`
	After  Holdings       `json:"after"`
}

// Holdings are what an idle replica holds. What the system does not report is 0.
type Holdings struct {
	Goroutines  int     `json:"goroutines"`
	Files       int     `json:"open_files"` // including connections
	Postgres    int     `json:"postgres_connections"`
	Redis       int     `json:"redis_connections"` // of all replicas, to the servers of the stock and of the locks
	HeapMiB     float64 `json:"live_heap_mib"`     // after a garbage collection
	ResidentMiB float64 `json:"resident_mib"`
}

// soakText writes the result of a soak for a person at a terminal.
func soakText(w io.Writer, r Result, colours bool) {
	fmt.Fprintf(w, "A soak of %s, seed %d: %s.\n", r.Config["lasts"], r.Seed, r.Config["load"])
	for _, c := range r.Cells {
		fmt.Fprintf(w, "\n%s: %s\n", c.Lock, c.Words())
		for _, sentence := range c.Story {
			for line := range strings.Lines(text.WrapSoft(sentence, Width-2)) {
				fmt.Fprintln(w, "  "+strings.TrimRight(line, " \n"))
			}
		}
		for _, i := range c.Invariants {
			fmt.Fprintf(w, "  %s %s: %s\n", soakSign(i.Verdict, colours), i.Name, i.Evidence)
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, conclusion(r))
}

func soakSign(v audit.Verdict, colours bool) string {
	sign, colour := map[audit.Verdict]string{audit.Held: "✓", audit.Violated: "✗", audit.Undecided: "?"}[v], text.FgGreen
	if v != audit.Held {
		colour = text.FgRed
	}
	if colours {
		return colour.Sprint(sign)
	}
	return sign
}
