package order

import (
	"context"
	_ "embed" // for the statements
	"fmt"

	"github.com/jackc/pgx/v5"

	"orderd/internal/stock"
)

var (
	//go:embed books_levels.sql
	booksLevels string
	//go:embed books_ledger.sql
	booksLedger string
	//go:embed books_orders.sql
	booksOrders string
)

// A Finding is an inconsistency in the books.
type Finding struct {
	Book    string // levels, ledger or orders
	Subject string // a SKU, a SKU's version, an order's id
	Problem string
}

// Books counts what was checked.
type Books struct{ SKUs, Movements, Orders int64 }

// CheckBooks compares all levels, movements and orders with each other, as of one snapshot,
// and passes each finding to found as it is read. It changes nothing and blocks no one; but while
// it runs, Postgres keeps all versions of the rows that change. Its errors are those of Postgres
// and of found.
func CheckBooks(ctx context.Context, conn *pgx.Conn, found func(Finding) error) (b Books, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Books{}, stock.Unavailable("begin to read the books", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // there is nothing to commit
	// Millions of rows may be sorted and compared; what exceeds work_mem is sorted on disk.
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'"); err != nil {
		return Books{}, stock.Unavailable("begin to read the books", err)
	}
	err = tx.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM stock), (SELECT count(*) FROM movements), (SELECT count(*) FROM orders)`,
	).Scan(&b.SKUs, &b.Movements, &b.Orders)
	if err != nil {
		return Books{}, stock.Unavailable("count the books", err)
	}
	for _, book := range []struct{ name, sql string }{
		{"levels", booksLevels}, {"ledger", booksLedger}, {"orders", booksOrders},
	} {
		rows, err := tx.Query(ctx, book.sql)
		if err != nil {
			return Books{}, stock.Unavailable("check the "+book.name, err)
		}
		f := Finding{Book: book.name}
		_, err = pgx.ForEachRow(rows, []any{&f.Subject, &f.Problem}, func() error { return found(f) })
		if err != nil {
			return Books{}, fmt.Errorf("check the %s: %w", book.name, err)
		}
	}
	return b, nil
}
