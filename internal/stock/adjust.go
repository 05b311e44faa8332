package stock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// An Adjustment adds units to a SKU, or takes some away.
type Adjustment struct {
	// Client is who asks: keys are each client's own. Empty where clients are not
	// told apart.
	Client string
	// Key is the client's name for this adjustment: however often it is asked for
	// with the same key, it is made once. Empty: each time is one of its own.
	Key    string
	SKU    string
	Delta  int64  // units; negative to take away
	Reason string // of the movement
}

// hash tells an adjustment that is repeated from another one with the same key.
func (a *Adjustment) hash() []byte {
	text, err := json.Marshal(struct {
		SKU    string
		Delta  int64
		Reason string
	}{a.SKU, a.Delta, a.Reason})
	if err != nil {
		panic(err) // strings and a number
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// Adjust makes an adjustment and returns the SKU as it is then: it never takes
// more than is there (ErrShort), and never goes past MaxOnHand (ErrInvalid). One
// whose key has been used is answered as it was then, and not made again;
// replayed tells so. ErrKeyReused: the key belongs to another adjustment.
// Refusals are not kept. ErrUnknown: the ledger tells whether it was made, and
// who tries again without a key and without a look there may make it twice.
func (s *Store) Adjust(ctx context.Context, a Adjustment) (item Item, replayed bool, err error) {
	if err := checkReason(a.Reason); err != nil {
		return Item{}, false, err
	}
	adjust := func() (item Item, replayed bool, err error) {
		err = s.inTx(ctx, "adjust the stock", func(tx pgx.Tx) error {
			item, replayed, err = s.adjust(ctx, tx, a)
			return err
		})
		return item, replayed, err
	}
	item, replayed, err = adjust()
	if a.Key == "" {
		return item, replayed, err
	}
	// With a key once more does no harm, and tells what came of the first time: its
	// transaction holds the SKU's row, or the key's place in the index, to its end.
	if errors.Is(err, ErrUnknown) || keyTaken(err) {
		item, replayed, err = adjust()
	}
	return item, replayed, repeatable(err)
}

func (s *Store) adjust(ctx context.Context, tx pgx.Tx, a Adjustment) (item Item, replayed bool, err error) {
	if item, err = queryItem(ctx, tx, a.SKU, selectForUpdate, a.SKU); err != nil {
		return Item{}, false, err
	}
	if a.Key != "" {
		// The row is locked: whoever has used the key for this SKU has ended by now.
		if first, err := s.adjusted(ctx, tx, item, a); !errors.Is(err, pgx.ErrNoRows) {
			return first, err == nil, err
		}
	}
	if a.Delta < 0 && item.OnHand+a.Delta < 0 {
		return Item{}, false, &ShortError{SKU: a.SKU, Requested: -a.Delta, Remaining: max(0, item.OnHand)}
	}
	if a.Delta > 0 && item.OnHand+a.Delta > MaxOnHand { // a cancel may have returned units beyond it
		return Item{}, false, &InvalidError{"body.delta", fmt.Sprintf("%d are on hand and %d is the most there can be", item.OnHand, int64(MaxOnHand))}
	}
	if item, err = s.move(ctx, tx, item, a.Delta, a.Reason); err != nil || a.Key == "" {
		return item, false, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO adjustments (key, request_hash, sku, version, sold) VALUES ($1, $2, $3, $4, $5)`,
		StoredKey(a.Client, a.Key), a.hash(), item.SKU, item.Version, item.Sold)
	return item, false, err
}

// adjusted returns the SKU's item as the adjustment with this key has left it,
// ErrKeyReused if that was another one, and pgx.ErrNoRows if there was none.
func (s *Store) adjusted(ctx context.Context, tx pgx.Tx, item Item, a Adjustment) (Item, error) {
	var sku string
	var hash []byte
	err := tx.QueryRow(ctx, `
		SELECT a.sku, a.request_hash, m.on_hand, a.version, a.sold
		FROM adjustments a JOIN movements m USING (sku, version) WHERE a.key = $1`,
		StoredKey(a.Client, a.Key)).Scan(&sku, &hash, &item.OnHand, &item.Version, &item.Sold)
	if err == nil && (sku != a.SKU || !bytes.Equal(hash, a.hash())) {
		err = ErrKeyReused
	}
	return item, err
}

// keyTaken tells the error of a key that has been used for another SKU a moment
// ago: behind the back of the look at the keys, which a lock on the SKU's row
// does not keep from that.
func keyTaken(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == "adjustments_pkey"
}
