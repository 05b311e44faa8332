package load

// A Movement is one row of a SKU's ledger: a change of its level. OnHand and Version are the
// values after it.
type Movement struct {
	Version int64  `json:"version"`
	Delta   int64  `json:"delta"`
	Reason  string `json:"reason"`
	OrderID string `json:"order_id,omitempty"`
	OnHand  int64  `json:"on_hand"`
	Token   int64  `json:"token,omitempty"`
	Replica string `json:"replica,omitempty"`
	SKU     string `json:"sku,omitempty" db:"-"` // empty in a drive of a single SKU
}
