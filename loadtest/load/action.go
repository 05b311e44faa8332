package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// An ActionKind is what an Action asks for.
type ActionKind string

// The kinds of action.
const (
	Cancel  ActionKind = "cancel"
	Confirm ActionKind = "confirm" // of a held order
	Restock ActionKind = "restock"
)

// An Action is a request other than an order, as its client saw it. Its outcome is Confirmed,
// Failed (refused, for good or for now) or Unknown.
type Action struct {
	Kind    ActionKind    `json:"deed"`
	OrderID string        `json:"order_id,omitempty"` // of a cancel or a confirm
	SKU     string        `json:"sku,omitempty"`      // of a restock
	Delta   int64         `json:"delta,omitempty"`
	Reason  string        `json:"reason,omitempty"`          // of a restock; unique
	Key     string        `json:"idempotency_key,omitempty"` // shared by all attempts at one restock
	Outcome Outcome       `json:"outcome"`
	Status  int           `json:"status,omitempty"`
	Code    string        `json:"code,omitempty"`  // of the problem
	State   string        `json:"state,omitempty"` // of the order, as answered
	Version int64         `json:"stock_version,omitempty"`
	Call    time.Duration `json:"call_ns"`
	Return  time.Duration `json:"return_ns"`
}

// Do sends act to the nth target and fills in its result, except Call and Return.
func (c *Client) Do(ctx context.Context, n int, act *Action) {
	path, body := "/v1/orders/"+act.OrderID+"/"+string(act.Kind), ""
	if act.Kind == Restock {
		path = "/v1/stock/" + url.PathEscape(act.SKU) + "/adjustments"
		body = fmt.Sprintf(`{"delta":%d,"reason":%q}`, act.Delta, act.Reason)
	}
	a, err := c.send(ctx, http.MethodPost, c.target(n)+path, body, act.Key)
	if err != nil {
		act.Outcome = Unknown
		return
	}
	var said struct {
		Code    string `json:"code"`
		Status  any    `json:"status"` // an order's is a word, a problem's a number
		Version int64  `json:"version"`
	}
	err = json.Unmarshal(a.body, &said)
	act.Status, act.Code, act.Version = a.status, said.Code, said.Version
	act.State, _ = said.Status.(string)
	switch {
	case err != nil:
		act.Outcome = Unknown // something between the client and orderd answered
	case a.status < http.StatusBadRequest:
		act.Outcome = Confirmed
	case a.status >= http.StatusInternalServerError:
		act.Outcome = Unknown
	default:
		act.Outcome = Failed
	}
}
