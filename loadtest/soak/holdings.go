package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/report"
)

// Bounds on what a replica may hold more of at the end than after the warm-up.
//
// Its pools open a connection when all they have are in use, and keep it. The busiest moment
// may come late, above all after a restart, so that they may still grow towards their limits
// (16 to Postgres, 20 to each Redis). A connection takes a goroutine or two where a library
// reads ahead. A leak grows with each request, or with each restart of a server while the
// pools are full, and so passes these bounds before the end.
const (
	moreGoroutines = 20
	moreFiles      = 32
	morePostgres   = 16
	moreRedis      = 60 // of three replicas
	// moreHeapMiB allows for what is kept on purpose and is bounded: connection buffers,
	// levels, samples of metrics. A leak of 200 bytes for each request exceeds it in a soak
	// of ten minutes.
	moreHeapMiB = 3
	// moreResident is a factor: the garbage collector returns pages when it likes, below the
	// 48 MiB at which it becomes frugal.
	moreResident, moreResidentMiB = 1.25, 12
)

const (
	looks    = 5 // samples, of which the least counts: what was about to end is not held
	lookRest = 300 * time.Millisecond
	mib      = 1 << 20
)

// holdings measures what the first replica holds while nobody orders.
func (s *part) holdings(ctx context.Context) (report.Holdings, error) {
	var least report.Holdings
	for n := range looks {
		select {
		case <-time.After(lookRest):
		case <-ctx.Done():
			return least, context.Cause(ctx)
		}
		now, err := s.look(ctx)
		if err != nil {
			return least, err
		}
		if n == 0 {
			least = now
		}
		least.Goroutines, least.Files = min(least.Goroutines, now.Goroutines), min(least.Files, now.Files)
		least.Postgres, least.Redis = min(least.Postgres, now.Postgres), min(least.Redis, now.Redis)
		least.HeapMiB, least.ResidentMiB = min(least.HeapMiB, now.HeapMiB), min(least.ResidentMiB, now.ResidentMiB)
	}
	return least, nil
}

func (s *part) look(ctx context.Context) (h report.Holdings, err error) {
	const first = 0
	metrics, err := s.replicas.Metrics(ctx, first)
	if err != nil {
		return h, err
	}
	h.Goroutines, h.Files = int(metrics["go_goroutines"]), int(metrics["process_open_fds"])
	h.HeapMiB, h.ResidentMiB = metrics["go_memstats_heap_alloc_bytes"]/mib, metrics["process_resident_memory_bytes"]/mib
	if h.Postgres, err = s.fleet.Connections(ctx, fleet.ReplicaID(first)); err != nil {
		return h, err
	}
	for _, redis := range []*stack.Redis{s.fleet.Stock, s.fleet.Locks} {
		list, err := redis.Do(ctx, "CLIENT", "LIST")
		if err != nil {
			return h, err
		}
		h.Redis += strings.Count(list, "id=") - 1 // without this one
	}
	return h, nil
}

// flat compares what was held after the warm-up with what was held at the end.
func flat(before, after report.Holdings) []audit.Invariant {
	invariant := func(name string, held bool, format string, args ...any) audit.Invariant {
		i := audit.Invariant{Name: name, Verdict: audit.Held, Evidence: fmt.Sprintf(format, args...)}
		if !held {
			i.Verdict = audit.Violated
		}
		return i
	}
	links := invariant(flatLinks,
		after.Files <= before.Files+moreFiles && after.Postgres <= before.Postgres+morePostgres && after.Redis <= before.Redis+moreRedis,
		"open files %d, then %d; to Postgres %d, then %d; to Redis from all replicas %d, then %d",
		before.Files, after.Files, before.Postgres, after.Postgres, before.Redis, after.Redis)
	if before.Postgres == 0 || before.Redis == 0 { // a replica has some, so they were not found
		links.Verdict = audit.Undecided
	}
	return []audit.Invariant{
		invariant(flatCode, after.Goroutines <= before.Goroutines+moreGoroutines, "%d, then %d", before.Goroutines, after.Goroutines),
		links,
		invariant(flatMemory,
			after.HeapMiB <= before.HeapMiB+moreHeapMiB && after.ResidentMiB <= before.ResidentMiB*moreResident+moreResidentMiB,
			"live %.1f MiB, then %.1f; resident %.0f MiB, then %.0f",
			before.HeapMiB, after.HeapMiB, before.ResidentMiB, after.ResidentMiB),
	}
}
