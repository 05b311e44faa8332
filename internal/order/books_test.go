package order_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderd/internal/locking"
	"orderd/internal/order"
)

// checkBooks returns the findings, one text each.
func (s *shop) checkBooks(t *testing.T) (order.Books, []string) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), s.db.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var found []string
	books, err := order.CheckBooks(t.Context(), conn, func(f order.Finding) error {
		found = append(found, fmt.Sprint(f.Book, " ", f.Subject, ": ", f.Problem))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return books, found
}

// Whatever a shop does leaves consistent books; any change made to them by hand or by
// mistake is found.
func TestCheckBooks(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		spoil string   // {confirmed}, {held} and so on stand for the ids of orders
		want  []string // parts of the findings, in their order
	}{
		"as it was": {},
		"a level":   {"UPDATE stock SET on_hand = 50 WHERE sku = 'A-1'", []string{"levels A-1: on_hand is 50, its movements add up to 95"}},
		"what was sold": {"UPDATE stock SET sold = 50 WHERE sku = 'A-1'",
			[]string{"levels A-1: sold is 50, by its movements 5"}},
		"a version": {"UPDATE stock SET version = 99 WHERE sku = 'B-1'",
			[]string{"levels B-1: version is 99, that of its last movement 2"}},
		"a SKU without movements": {"INSERT INTO stock (sku, on_hand) VALUES ('C-1', 5)", []string{"levels C-1: has no movements"}},
		"movements without a SKU": {"DELETE FROM stock WHERE sku = 'B-1'", []string{"levels B-1: has movements but no row in stock"}},
		"a movement lost": {"DELETE FROM movements WHERE sku = 'A-1' AND version = 2", []string{
			"ledger A-1 version 3: follows version 1; on_hand is",
			"levels A-1: on_hand is 95, its movements add up to",
			"orders {confirmed}: is confirmed and has no movements",
		}},
		"a movement changed": {"UPDATE movements SET on_hand = on_hand + 1 WHERE sku = 'B-1' AND version = 2", []string{
			"ledger B-1 version 2: on_hand is 99, 100 and -2 make 98"}},
		"an order lost": {"DELETE FROM orders WHERE id = '{confirmed}'", []string{"orders {confirmed}: there is no such order: A-1 moved for it"}},
		"an order that took nothing": {"INSERT INTO orders (id, status) VALUES ('018f6b1e-0000-7000-8000-000000000000', 'confirmed')",
			[]string{"orders 018f6b1e-0000-7000-8000-000000000000: is confirmed and has no movements"}},
		"a sale that is nobody's": {"ALTER TABLE movements DROP CONSTRAINT movements_sale_has_order; UPDATE movements SET order_id = NULL WHERE order_id = '{confirmed}'", []string{
			"orders {confirmed}: is confirmed and has no movements", "orders none: there is no such order"}},
		"cancelled without a return": {"UPDATE orders SET status = 'cancelled' WHERE id = '{confirmed}'",
			[]string{"orders {confirmed}: is cancelled and has 0 cancel and 0 hold_expired movements of A-1"}},
		"returned without being cancelled": {"UPDATE orders SET status = 'confirmed' WHERE id = '{cancelled}'", []string{
			"orders {cancelled}: is confirmed and has 1 cancel and 0 hold_expired movements of A-1"}},
		"expired, but returned as cancelled": {"ALTER TABLE orders DROP CONSTRAINT orders_status_known; UPDATE orders SET status = 'expired' WHERE id = '{cancelled}'", []string{
			"orders {cancelled}: is expired and has 1 cancel and 0 hold_expired movements of A-1"}},
		"oversold": {"UPDATE stock SET on_hand = -1, version = 3, guard = 'none' WHERE sku = 'B-1'; " +
			"INSERT INTO movements (sku, delta, reason, on_hand, version, replica) VALUES ('B-1', -99, 'broken', -1, 3, 'r')",
			[]string{"levels B-1: oversold: on_hand is -1"}},
		"sold twice": {"UPDATE stock SET on_hand = 97, sold = 3, version = 3 WHERE sku = 'B-1'; " +
			"INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica) VALUES ('B-1', -1, 'sale', '{held}', 97, 3, 'r')",
			[]string{"orders {held}: 2 sales of B-1"}},
		"a sale of nothing": {"UPDATE stock SET version = 3 WHERE sku = 'B-1'; " +
			"INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica) VALUES ('B-1', 0, 'sale', '{confirmed}', 98, 3, 'r')",
			[]string{"orders {confirmed}: a sale of 0 units of B-1"}},
		"an order's movement for another reason": {"UPDATE stock SET version = 3 WHERE sku = 'B-1'; " +
			"INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica) VALUES ('B-1', 0, 'broken', '{held}', 98, 3, 'r')",
			[]string{"orders {held}: 1 movements of B-1 for other reasons"}},
		"returned twice": {"DROP INDEX movements_returned_once; INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica) " +
			"SELECT 'A-1', 7, 'cancel', '{cancelled}', on_hand + 7, version + 1, 'r' FROM stock WHERE sku = 'A-1'; " +
			"UPDATE stock SET on_hand = on_hand + 7, sold = sold - 7, version = version + 1 WHERE sku = 'A-1'", []string{
			"orders {cancelled}: is cancelled and has 2 cancel and 0 hold_expired movements of A-1; took 7 units of A-1 and returned 14"}},
		"returned in part": {"UPDATE movements SET delta = delta - 1 WHERE order_id = '{expired}' AND reason = 'hold_expired'", []string{
			"ledger A-1 version", "levels A-1: on_hand is", "orders {expired}: took 9 units of A-1 and returned 8"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, locking.NewLocal())
			s.mustSet(t, "A-1", 100, "")
			s.mustSet(t, "B-1", 100, "")
			ids := s.placeOneOfEach(t)
			names := strings.NewReplacer(ids...)
			if row.spoil != "" {
				// Bypasses triggers and foreign keys, which would prevent it.
				if _, err := s.db.Exec(t.Context(), "SET session_replication_role = replica; "+names.Replace(row.spoil)+"; RESET session_replication_role"); err != nil {
					t.Fatal(err)
				}
			}
			books, found := s.checkBooks(t)
			if len(found) != len(row.want) {
				t.Fatalf("found %q, want %q", found, row.want)
			}
			for i, part := range row.want {
				if !strings.HasPrefix(found[i], names.Replace(part)) {
					t.Errorf("found %q, want %q", found[i], names.Replace(part))
				}
			}
			if row.spoil == "" && books != (order.Books{SKUs: 2, Movements: 9, Orders: 4}) {
				t.Errorf("looked at %+v", books)
			}
		})
	}
}

// placeOneOfEach places an order of each status, and returns pairs of "{status}" and id.
func (s *shop) placeOneOfEach(t *testing.T) (ids []string) {
	t.Helper()
	place := func(status string, hold int64, lines ...order.Line) uuid.UUID {
		o := s.mustPlace(t, order.Request{Lines: lines, HoldSeconds: hold})
		ids = append(ids, "{"+status+"}", o.ID.String())
		return o.ID
	}
	place("confirmed", 0, order.Line{SKU: "A-1", Quantity: 3})
	place("held", 60, order.Line{SKU: "A-1", Quantity: 2}, order.Line{SKU: "B-1", Quantity: 2})
	cancelled := place("cancelled", 0, order.Line{SKU: "A-1", Quantity: 7})
	expired := place("expired", 60, order.Line{SKU: "A-1", Quantity: 9})
	if _, err := s.Cancel(t.Context(), "", cancelled); err != nil {
		t.Fatal(err)
	}
	s.expire(t, expired)
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ids
}

// A row that was changed by hand is put back as docs/operations.md says, while the SKU is restocked and
// sold.
func TestCheckBooks_WhatItFindsIsRepairedAsDocumented(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	s.mustPlace(t, order.Request{Lines: one("A-1")})
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	repair := regexp.MustCompile("(?s)```sql\n(BEGIN;\n.*?UPDATE stock.*?)```").FindSubmatch(page)
	if repair == nil {
		t.Fatal("docs/operations.md does not say how to repair a row")
	}
	restock := s.beginRestock(t)
	repaired := make(chan error, 1)
	go func() {
		_, err := s.db.Exec(context.Background(), string(repair[1]), pgx.QueryExecModeSimpleProtocol)
		repaired <- err
	}()
	s.awaitBlocked(t)
	if err := restock.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-repaired; err != nil {
		t.Fatal(err)
	}
	if _, found := s.checkBooks(t); len(found) > 0 {
		t.Errorf("after the repair, during which the SKU was restocked: %q", found)
	}
	if _, err := s.db.Exec(t.Context(), "UPDATE stock SET on_hand = 99, sold = 3, version = 1 WHERE sku = 'A-1'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(t.Context(), string(repair[1]), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 14 || item.Sold != 1 {
		t.Errorf("after the repair %+v, want 14 on hand and 1 sold", item)
	}
	s.mustPlace(t, order.Request{Lines: one("A-1")})
	if _, found := s.checkBooks(t); len(found) > 0 {
		t.Errorf("after the repair: %q", found)
	}
}
