package stock_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"orderd/internal/stock"
)

// Errors that may pass are told from those that will not: clients are to retry after the
// former, and an operator has to hear of the latter.
func TestUnavailable_TellsWhatMayPass(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08006": true, "28P01": true, "40001": true, "40P01": true, "53100": true, "53300": true, "55P03": true, "57014": true, "57P01": true, "58030": true,
		"25006": true, "25P03": true, // read-only; idle in a transaction
		"25P02": false, "42P01": false, "42501": false, "23514": false, "22012": false, "XX000": false,
	} {
		err := stock.Unavailable("write", &pgconn.PgError{Code: code})
		if errors.Is(err, stock.ErrUnavailable) != want {
			t.Errorf("SQLSTATE %s = %v, want it unavailable: %v", code, err, want)
		}
	}
}

// A read-only Postgres, such as one that is no longer the primary, cannot sell now but may
// later.
func TestUnavailable_APostgresThatOnlyReads(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", 5, "")
	if _, err := db.Exec(t.Context(), "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"); err != nil {
		t.Fatal(err)
	}
	db.Reset()
	if _, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 1, Reason: "restock"}); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Adjust = %v, want ErrUnavailable", err)
	}
	if item, err := s.Get(t.Context(), "A-1"); err != nil || item.OnHand != 5 {
		t.Errorf("Get = %+v, %v; want it read", item, err)
	}
}

// A COMMIT that Postgres answers with an error has not happened, and the caller need not check.
func TestUnavailable_ACommitThatIsRefusedIsNotUnknown(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", 5, "")
	if _, err := db.Exec(t.Context(), `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END $$;
		CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON movements DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION refuse()`); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 1, Reason: "restock"})
	if !errors.Is(err, stock.ErrUnavailable) || errors.Is(err, stock.ErrUnknown) {
		t.Errorf("Adjust = %v, want ErrUnavailable, and the outcome known", err)
	}
	if item, err := s.Get(t.Context(), "A-1"); err != nil || item.OnHand != 5 {
		t.Errorf("Get = %+v, %v; want what was there", item, err)
	}
}
