package stock

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Set creates the SKU with onHand units, or sets the level of an existing one, and reports
// which. An existing SKU keeps its guard: naming another is ErrInvalid. An empty guard means
// the SKU's own, or GuardPredicate for a new one. ErrUnknown: the level may have been set, and
// orders may have taken units of it since: a caller that retries without looking would put those
// back.
func (s *Store) Set(ctx context.Context, sku string, onHand int64, guard Guard) (item Item, created bool, err error) {
	err = s.inTx(ctx, "set the stock", func(tx pgx.Tx) error {
		item, err = queryItem(ctx, tx, sku, `
			INSERT INTO stock (sku, on_hand, guard) VALUES ($1, $2, $3)
			ON CONFLICT (sku) DO NOTHING RETURNING `+itemColumns, sku, onHand, cmp.Or(guard, GuardPredicate))
		if created = err == nil; created {
			return s.record(ctx, tx, item, onHand, "created")
		}
		if !errors.Is(err, ErrUnknownSKU) { // it is there already, and nothing was inserted
			return err
		}

		if item, err = queryItem(ctx, tx, sku, selectForUpdate, sku); err != nil {
			return err
		}
		if guard != "" && guard != item.Guard {
			return &InvalidError{"body.guard", fmt.Sprintf("is %q since the SKU was created and stays so", item.Guard)}
		}
		if onHand == item.OnHand {
			return nil
		}
		item, err = s.move(ctx, tx, item, onHand-item.OnHand, "set")
		return err
	})
	return item, created, err
}

// The row stays locked to the end of the transaction: sales wait, and the recorded difference
// is the one that was made.
const selectForUpdate = "SELECT " + itemColumns + " FROM stock WHERE sku = $1 FOR UPDATE"

// move changes the level of a locked row and records the movement.
func (s *Store) move(ctx context.Context, tx pgx.Tx, item Item, delta int64, reason string) (Item, error) {
	item, err := queryItem(ctx, tx, item.SKU, `
		UPDATE stock SET on_hand = on_hand + $2, version = version + 1, updated_at = now()
		WHERE sku = $1 RETURNING `+itemColumns, item.SKU, delta)
	if err != nil {
		return Item{}, err
	}
	return item, s.record(ctx, tx, item, delta, reason)
}

func (s *Store) record(ctx context.Context, tx pgx.Tx, item Item, delta int64, reason string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		VALUES ($1, $2, $3, $4, $5, $6)`, item.SKU, delta, reason, item.OnHand, item.Version, s.replica)
	return err
}

// inTx runs change in a transaction. This package's errors pass through; those of Postgres are
// classified. ErrUnknown: the connection broke during COMMIT.
func (s *Store) inTx(ctx context.Context, doing string, change func(pgx.Tx) error) error {
	done := false
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		err := change(tx)
		done = err == nil
		return err
	})
	switch {
	case done && err != nil && !Answered(err):
		return fmt.Errorf("%s: %w", doing, errors.Join(ErrUnknown, err))
	case err == nil, errors.Is(err, ErrUnknownSKU), errors.Is(err, ErrShort), errors.Is(err, ErrInvalid), errors.Is(err, ErrKeyReused):
		return err
	default:
		return Unavailable(doing, err)
	}
}
