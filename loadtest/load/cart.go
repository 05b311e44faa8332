package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Place sends op.Lines as one order to the nth target, with op.Key and op.Hold, and fills in
// the result, except Call and Return.
func (c *Client) Place(ctx context.Context, n int, op *Op) {
	type line struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	}
	var order struct {
		Lines []line `json:"lines"`
		Hold  int    `json:"hold_seconds,omitempty"`
	}
	for _, l := range op.Lines {
		order.Lines = append(order.Lines, line{l.SKU, l.Quantity})
	}
	order.Hold = op.Hold
	body, err := json.Marshal(order)
	if err != nil {
		panic(err) // texts and numbers
	}
	c.place(ctx, n, string(body), op)
}

// learn takes from an answer its digest, if the order has a key, and what is left of each
// SKU. A line that the answer lacks keeps 0, which the audit will not find in the ledger.
func (op *Op) learn(text []byte, answered []Line) {
	if op.Key != "" {
		sum := sha256.Sum256(text)
		op.Digest = hex.EncodeToString(sum[:8])
	}
	for i := range op.Lines {
		for _, l := range answered {
			if l.SKU == op.Lines[i].SKU {
				op.Lines[i].Left, op.Lines[i].Version = l.Left, l.Version
			}
		}
	}
}
