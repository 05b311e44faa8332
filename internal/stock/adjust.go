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
	// Client is the name of the caller: each client has its own keys. Empty if clients are not
	// told apart.
	Client string
	// Key is the idempotency key: however often the adjustment is sent with it, it is made
	// once. Empty: each request is a new adjustment.
	Key    string
	SKU    string
	Delta  int64  // units; negative to take away
	Reason string // of the movement
}

// hash distinguishes a retry of an adjustment from another adjustment with the same key.
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

// Adjust makes an adjustment and returns the SKU after it. It never takes more than is on hand
// (ErrShort) and never adds beyond MaxOnHand (ErrInvalid). If its key was used before, nothing
// is made, the SKU is returned as it was then, and replayed is true. ErrKeyReused: the key
// belongs to another adjustment. Refusals are not stored with the key. ErrUnknown, only without
// a key: the ledger says whether the adjustment was made; a caller that retries without looking
// may make it twice.
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
	// With a key a second try does no harm, and shows what became of the first: that
	// transaction holds the SKU's row, or the key's entry in the index, until it ends.
	if errors.Is(err, ErrUnknown) || keyTaken(err) {
		item, replayed, err = adjust()
	}
	if errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("%w: %s", ErrUnavailable, err.Error())
	}
	return item, replayed, err
}

func (s *Store) adjust(ctx context.Context, tx pgx.Tx, a Adjustment) (item Item, replayed bool, err error) {
	if item, err = queryItem(ctx, tx, a.SKU, selectForUpdate, a.SKU); err != nil {
		return Item{}, false, err
	}
	if a.Key != "" {
		// The row is locked: any earlier transaction with this key and SKU has ended.
		if first, err := s.adjusted(ctx, tx, item, a); !errors.Is(err, pgx.ErrNoRows) {
			return first, err == nil, err
		}
	}
	if a.Delta < 0 && item.OnHand+a.Delta < 0 {
		return Item{}, false, &ShortError{SKU: a.SKU, Requested: -a.Delta, Remaining: max(0, item.OnHand)}
	}
	if a.Delta > 0 && item.OnHand+a.Delta > MaxOnHand { // taking away is allowed: a cancel may have raised the level above it
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

// adjusted returns the SKU as the adjustment with this key left it, ErrKeyReused if the key
// belongs to another adjustment, and pgx.ErrNoRows if it is unused.
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

// keyTaken reports whether the key was used for another SKU at the same time: after this
// transaction had looked for it, which the lock on one SKU's row does not prevent.
func keyTaken(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.ConstraintName == "adjustments_pkey"
}
