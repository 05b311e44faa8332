package order

import (
	"context"
	"errors"
	"flag"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"orderd/internal/stock"
)

func keyed(key string, lines ...Line) Request { return Request{Key: key, Lines: lines} }

// foresee sets the expected outcome of the group: what it is if nobody else sells.
func (d *groupDraft) foresee(t *testing.T, s *stock.Store) {
	t.Helper()
	d.expected = &settled{shelves: map[string]*shelf{}}
	for _, sku := range union(d.orders) {
		item, err := s.Get(t.Context(), sku)
		if err != nil {
			t.Fatal(err)
		}
		d.expected.shelves[sku] = &shelf{Level: item.Level}
	}
	d.expected.lines, d.expected.refused = settle(d.expected.shelves, d.orders, guarded)
}

// An order whose key is in use is refused, and no other order of its group.
func TestLedger_GroupWithKeysInUse(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	config := db.Config()
	config.ConnConfig.RuntimeParams["lock_timeout"] = "300ms"
	impatient, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(impatient.Close)
	for name, row := range map[string]struct {
		inDoubt bool
		keys    []string
		refused []int
	}{
		"all are new":         {false, []string{"", "n1", "n2"}, nil},
		"one has an order":    {false, []string{"", "used", "n3"}, []int{1}},
		"one is there twice":  {false, []string{"n4", "n4", ""}, []int{1}},
		"all have an order":   {false, []string{"used", "used"}, []int{0, 1}},
		"both":                {false, []string{"used", "n5", "n5", "", "used", "n6"}, []int{0, 2, 4}},
		"one may get another": {true, []string{"", "doubt", ""}, []int{1}},
	} {
		for _, foreseen := range []bool{false, true} {
			t.Run(name+", foreseen: "+strconv.FormatBool(foreseen), func(t *testing.T) {
				t.Parallel()
				sku, client := uuid.NewString(), uuid.NewString()
				for _, name := range []string{sku, "elsewhere-" + client[:8]} {
					if _, _, err := s.Set(t.Context(), name, 50, stock.GuardPredicate); err != nil {
						t.Fatal(err)
					}
				}
				// The used keys are for another SKU: nothing locks the rows of the group.
				used := draftOf(1, Line{"elsewhere-" + client[:8], 1})
				used.Client, used.Key = client, "used"
				if _, err := l.Commit(t.Context(), used); err != nil {
					t.Fatal(err)
				}
				ledger := l
				if row.inDoubt {
					ledger = NewLedger(impatient, "r1")
					tx, err := db.Begin(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = tx.Rollback(context.Background()) }()
					used.Key = "doubt"
					if _, err := l.write(t.Context(), tx, uuid.New(), used); err != nil {
						t.Fatal(err)
					}
				}
				d := groupOf()
				for _, key := range row.keys {
					r := keyed(key, Line{sku, 2})
					r.Client = client
					d.orders = append(d.orders, r)
				}
				if foreseen {
					d.foresee(t, s)
				}
				placed, refused, err := ledger.CommitGroup(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				var inUse []int
				for i, err := range refused {
					if errors.Is(err, ErrInFlight) {
						inUse = append(inUse, i)
					} else if err != nil || len(placed[i].Lines) != 1 {
						t.Errorf("order %d: %+v, %v; want it placed", i, placed[i], err)
					}
				}
				if !reflect.DeepEqual(inUse, row.refused) {
					t.Errorf("in use: %v, want %v", inUse, row.refused)
				}
				sold := int64(2 * (len(row.keys) - len(row.refused)))
				if item, err := s.Get(t.Context(), sku); err != nil || item.Sold != sold {
					t.Errorf("stock %+v, %v; want %d sold", item, err, sold)
				}
			})
		}
	}
}

// groupChecks is how many random sequences of groups are run against Postgres.
const groupChecks = 60

// However orders are grouped, with keys, holds and clients, each is placed as if it had
// come alone, or refused because its key is in use.
func TestLedger_groupsAsOneByOne(t *testing.T) { // not in parallel: it sets a flag that others read
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if err := checks.Set(strconv.Itoa(groupChecks)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = checks.Set(before) }()
	_, l, s := openLedger(t)
	plays := 0
	rapid.Check(t, func(rt *rapid.T) {
		plays++
		rows := map[string]modelRow{}
		var skus []string
		for _, name := range []string{"a-", "B-", "c-"} {
			sku := name + strconv.Itoa(plays)
			left := rapid.Int64Range(0, 40).Draw(rt, "left")
			skus, rows[sku] = append(skus, sku), modelRow{guard: stock.GuardPredicate, left: left, version: 1}
			if _, _, err := s.Set(t.Context(), sku, left, stock.GuardPredicate); err != nil {
				rt.Fatal(err)
			}
		}
		line := rapid.Custom(func(rt *rapid.T) Line {
			return Line{rapid.SampledFrom(skus).Draw(rt, "sku"), rapid.Int64Range(1, 8).Draw(rt, "quantity")}
		})
		request := rapid.Custom(func(rt *rapid.T) Request {
			r := Request{
				Client:      "client-" + strconv.Itoa(plays) + rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "client"),
				Key:         rapid.SampledFrom([]string{"", "", "1", "2", "3", "4"}).Draw(rt, "key"),
				Lines:       rapid.SliceOfN(line, 1, 3).Draw(rt, "lines"),
				HoldSeconds: rapid.SampledFrom([]int64{0, 0, 60}).Draw(rt, "hold"),
			}
			if err := r.check(); err != nil {
				rt.Fatal(err)
			}
			return r
		})
		used := map[claimedKey]Order{}
		for _, group := range rapid.SliceOfN(rapid.SliceOfN(request, 1, 8), 1, 5).Draw(rt, "groups") {
			playGroup(t, rt, l, s, group, rows, used)
		}
		for sku, row := range rows {
			if item, err := s.Get(t.Context(), sku); err != nil || item.OnHand != row.left || item.Version != row.version {
				rt.Fatalf("%s: %+v, %v; want %+v", sku, item, err, row)
			}
		}
	})
}

func playGroup(t *testing.T, rt *rapid.T, l *Ledger, s *stock.Store, group []Request, rows map[string]modelRow, used map[claimedKey]Order) {
	t.Helper()
	d := groupOf()
	d.orders = group
	// A group whose orders are all refused is not committed.
	if d.foresee(t, s); !rapid.Bool().Draw(rt, "foreseen") || !slices.Contains(d.expected.refused, nil) {
		d.expected = nil
	}
	placed, refused, err := l.CommitGroup(t.Context(), d)
	if err != nil {
		rt.Fatal(err)
	}
	before := map[claimedKey]bool{}
	for i, r := range group {
		k := claimedKey{r.Client, r.Key}
		_, taken := used[k]
		if errors.Is(refused[i], ErrInFlight) {
			if r.Key == "" || !taken && !before[k] {
				rt.Fatalf("order %d is refused for its key, which is new", i)
			}
			continue
		}
		before[k] = true
		want, err := sellOne(rows, r.Lines)
		if !errors.Is(refused[i], err) || (err == nil) != (refused[i] == nil) || !reflect.DeepEqual(placed[i].Lines, want) {
			rt.Fatalf("order %d: %+v, %v; want %+v, %v", i, placed[i], refused[i], want, err)
		}
		if err != nil {
			continue
		}
		if taken && r.Key != "" {
			rt.Fatalf("order %d is placed, and its key has an order", i)
		}
		used[k] = placed[i]
		read, err := l.Get(t.Context(), r.Client, placed[i].ID)
		if err != nil || read.Status != r.status() || !sameOrder(read, placed[i]) {
			rt.Fatalf("order %d: placed %+v, read %+v, %v", i, placed[i], read, err)
		}
		if r.Key == "" {
			continue
		}
		if first, err := replayed(t, l, r); err != nil || !first.Replayed || !sameOrder(first, placed[i]) {
			rt.Fatalf("order %d: placed %+v, replayed %+v, %v", i, placed[i], first, err)
		}
	}
}

func sameOrder(a, b Order) bool {
	return a.ID == b.ID && a.Status == b.Status && reflect.DeepEqual(a.Lines, b.Lines) &&
		a.CreatedAt.Equal(b.CreatedAt) && a.HoldExpiresAt.Equal(b.HoldExpiresAt)
}

// No key counts as unused because it could not be looked up.
func TestLedger_KeysThatCannotBeLookedFor(t *testing.T) {
	t.Parallel()
	_, l, _ := openLedger(t)
	d := groupOf([]Line{{"A", 1}})
	d.orders[0].Key = "k"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.commitOthers(ended, d); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("commitOthers = %v, want ErrUnavailable", err)
	}
}

// Only a conflict in the key's own index, or a timeout while waiting for a transaction that
// may write the key, means that a key is in use. After any other error a client that was
// told so would wait in vain.
func TestKeyTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  pgconn.PgError
		want bool
	}{
		{pgconn.PgError{Code: "23505", ConstraintName: "orders_idempotency_key"}, true},
		{pgconn.PgError{Code: "55P03"}, true},
		{pgconn.PgError{Code: "23505", ConstraintName: "orders_pkey"}, false},
		{pgconn.PgError{Code: "57014"}, false},
	} {
		if got := errors.Is(keyTaken(&c.err), ErrInFlight); got != c.want {
			t.Errorf("%s %s counts as a key in use: %v, want %v", c.err.Code, c.err.ConstraintName, got, c.want)
		}
	}
	if err := keyTaken(nil); err != nil {
		t.Errorf("keyTaken(nil) = %v", err)
	}
}
