package access_test

import (
	"strconv"
	"testing"
	"time"

	"orderd/internal/access"
)

// slow is a rate whose buckets do not refill while a test runs.
func slow(burst int) access.Rate { return access.Rate{PerSecond: 1e-6, Burst: burst} }

func admitted(l *access.Limits, client string, tries int) (n int) {
	for range tries {
		if _, ok := l.Admit(client); ok {
			n++
		}
	}
	return n
}

func TestLimits_EachClientHasItsOwnAndAllShareOne(t *testing.T) {
	t.Parallel()
	l := access.NewLimits(slow(3), slow(5))
	if n := admitted(l, "a", 10); n != 3 {
		t.Errorf("%d requests of one client let through, want its burst of 3", n)
	}
	// a's refused requests have cost the others nothing.
	if n := admitted(l, "b", 10); n != 2 {
		t.Errorf("%d of the next let through, want what is left of 5", n)
	}
	wait, ok := l.Admit("c")
	if ok || wait < time.Hour {
		t.Errorf("Admit = %v, %v; want no, and the time until there is room", wait, ok)
	}
}

func TestLimits_WithoutRatesLetAllThrough(t *testing.T) {
	t.Parallel()
	if n := admitted(access.NewLimits(access.Rate{}, access.Rate{}), "a", 1000); n != 1000 {
		t.Errorf("%d of 1000 let through", n)
	}
	if n := admitted(access.NewLimits(slow(2), access.Rate{}), "a", 10); n != 2 {
		t.Errorf("%d let through, want 2", n)
	}
	if n := admitted(access.NewLimits(access.Rate{}, slow(2)), "a", 10); n != 2 {
		t.Errorf("%d let through, want 2", n)
	}
}

// Beyond a number of clients the others share one bucket: nobody gets more by changing names,
// and the memory does not grow.
func TestLimits_AreBoundedHoweverManyClients(t *testing.T) {
	t.Parallel()
	const buckets, burst = 10_000, 1
	l := access.NewLimits(slow(burst), access.Rate{})
	let := 0
	for i := range buckets + 500 {
		let += admitted(l, strconv.Itoa(i), 2)
	}
	if let != buckets+burst {
		t.Errorf("%d let through, want one of each of %d clients and one of all the others", let, buckets)
	}
}

// Clients that have been idle make room for others.
func TestLimits_ForgetClientsWhoHaveGone(t *testing.T) {
	t.Parallel()
	l := access.NewLimits(access.Rate{PerSecond: 10_000, Burst: 1}, access.Rate{})
	for i := range 15_000 {
		// The clients without room would share a bucket, which refills too slowly for them.
		if _, ok := l.Admit(strconv.Itoa(i)); !ok {
			t.Fatalf("client %d found no room", i)
		}
	}
}

func TestRate_Text(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]access.Rate{
		"0.001": {PerSecond: 0.001, Burst: 1}, "100": {PerSecond: 100, Burst: 100}, "0.5": {PerSecond: 0.5, Burst: 1}, "10:200": {PerSecond: 10, Burst: 200},
	} {
		var r access.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q = %v, %v; want %v", text, r, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1e-10:1", "0.0009", "NaN", "Inf", "1e9", "x", "1:0", "1:", "1:x", "1:2:3"} {
		var r access.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %v, want an error", text, r)
		}
	}
}
