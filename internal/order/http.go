package order

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"orderd/internal/access"
	"orderd/internal/stock"
)

type newOrderLine struct {
	SKU      stock.SKU `json:"sku"`
	Quantity int64     `json:"quantity" minimum:"1" maximum:"10000" doc:"units"`
}

type placedOrder struct {
	ID            uuid.UUID         `json:"id" format:"uuid"`
	Status        string            `json:"status" enum:"confirmed,held,expired,cancelled"`
	Lines         []placedOrderLine `json:"lines" nullable:"false" doc:"one for each SKU, by name"`
	CreatedAt     time.Time         `json:"created_at"`
	HoldExpiresAt *time.Time        `json:"hold_expires_at,omitempty" doc:"of a held order: confirm it before; of an expired one: when it was too late"`
}

type placedOrderLine struct {
	SKU          string `json:"sku"`
	Quantity     int64  `json:"quantity"`
	Remaining    int64  `json:"remaining" doc:"units left right after this order"`
	StockVersion int64  `json:"stock_version" doc:"the SKU's version right after this order: its place in the sequence of sales"`
}

func bodyOf(o Order) placedOrder {
	lines := make([]placedOrderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = placedOrderLine(l)
	}
	body := placedOrder{ID: o.ID, Status: o.Status, Lines: lines, CreatedAt: o.CreatedAt.UTC()}
	if o.Status == StatusHeld || o.Status == StatusExpired {
		body.HoldExpiresAt = optional(o.HoldExpiresAt)
	}
	return body
}

// routes are the HTTP routes of orders.
type routes struct {
	service *Service
	ledger  *Ledger
}

const ordersPath = "/v1/orders"

func (r *routes) register(api huma.API) {
	tags := []string{"orders"}
	huma.Register(api, huma.Operation{
		OperationID: "place-order", Method: http.MethodPost, Path: ordersPath, Tags: tags,
		Summary:       "Place an order: all of its lines, or nothing",
		Description:   "With an `Idempotency-Key`, the same request is answered as the first time, with `Idempotent-Replayed: true`. 409 `sold_out`: not enough is left, and the key is not stored. 409 `idempotency_in_flight`: an order with this key is being placed: retry. 422 `idempotency_mismatch`: the key belongs to another order. 503 `outcome_unknown`: send the same key again; an order without a key may have been placed, and would be placed twice.",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: stock.MaxBody,
		Errors: []int{400, 404, 408, 409, 413, 415, 422, 503},
	}, r.place)
	huma.Register(api, huma.Operation{
		OperationID: "get-order", Method: http.MethodGet, Path: "/v1/orders/{id}", Tags: tags,
		Summary:     "Read an order",
		Description: "As it is now: a hold past its time is `expired`. An order is visible only to the client that placed it.",
		Errors:      []int{404, 422, 503},
	}, r.get)
	huma.Register(api, huma.Operation{
		OperationID: "cancel-order", Method: http.MethodPost, Path: "/v1/orders/{id}/cancel", Tags: tags,
		Summary:      "Cancel an order, and return its units",
		Description:  "They come back once, however often it is asked: later calls answer the same. A hold past its time stays `expired`, and its units come back too.",
		MaxBodyBytes: stock.MaxBody, Errors: []int{400, 404, 408, 413, 415, 422, 503},
	}, r.cancel)
	huma.Register(api, huma.Operation{
		OperationID: "confirm-order", Method: http.MethodPost, Path: "/v1/orders/{id}/confirm", Tags: tags,
		Summary:      "Keep a held order for good",
		Description:  "May be asked again: an order that is confirmed stays so. 409 `hold_expired` if its time is over, 409 `not_held` if it was cancelled.",
		MaxBodyBytes: stock.MaxBody, Errors: []int{400, 404, 408, 409, 413, 415, 422, 503},
	}, r.confirm)
	huma.Register(api, huma.Operation{
		OperationID: "list-orders", Method: http.MethodGet, Path: ordersPath, Tags: tags,
		Summary:     "List orders, newest first",
		Description: "The client's own. In pages: the `next_cursor` of one is the `cursor` of the next.",
		Errors:      []int{422, 503},
	}, r.list)
}

type placeRequest struct {
	Key  string `header:"Idempotency-Key" doc:"the client's own name for this order, to send it again with: at most 128 visible ASCII characters, bare or as a string of RFC 8941. One order is placed for it, however often it is sent; the same client's key for another order is refused. Keys are kept as long as their orders; refusals are not kept, and may be retried with the same key"`
	Body newOrder
}

// Resolve parses the key: the framework has only copied the header.
func (in *placeRequest) Resolve(ctx huma.Context) []error {
	var problems []error
	in.Key, problems = stock.ResolveKey(ctx)
	return problems
}

type newOrder struct {
	Lines       []newOrderLine `json:"lines" minItems:"1" maxItems:"20" nullable:"false" doc:"lines of the same SKU are summed"`
	HoldSeconds int64          `json:"hold_seconds,omitempty" minimum:"1" maximum:"3600" doc:"the order is held: it takes the units, and returns them unless it is confirmed within so many seconds"`
}

type placeReply struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed" doc:"true: the order had been placed before with this key, and was answered so then"`
	Body     placedOrder
}

func (r *routes) place(ctx context.Context, in *placeRequest) (*placeReply, error) {
	lines := make([]Line, len(in.Body.Lines))
	for i, l := range in.Body.Lines {
		lines[i] = Line{string(l.SKU), l.Quantity}
	}
	order, err := r.service.Place(ctx, Request{
		Client: access.ClientOf(ctx), Key: in.Key, Lines: lines, HoldSeconds: in.Body.HoldSeconds,
	})
	if err != nil {
		return nil, err
	}
	reply := &placeReply{Location: "/v1/orders/" + order.ID.String(), Body: bodyOf(order)}
	if order.Replayed {
		reply.Replayed = "true"
	}
	return reply, nil
}

type orderRequest struct {
	ID string `path:"id" format:"uuid"`
}

type orderReply struct{ Body placedOrder }

func (r *routes) get(ctx context.Context, in *orderRequest) (*orderReply, error) {
	return one(ctx, in.ID, r.ledger.Get)
}

// An endingRequest is a change to a whole order. A body that asks for something else, such as
// to cancel one line, is refused.
type endingRequest struct {
	ID   string `path:"id" format:"uuid"`
	Body *emptyBody
}

type emptyBody struct{}

func (r *routes) cancel(ctx context.Context, in *endingRequest) (*orderReply, error) {
	return one(ctx, in.ID, r.service.Cancel)
}

func (r *routes) confirm(ctx context.Context, in *endingRequest) (*orderReply, error) {
	return one(ctx, in.ID, r.service.Confirm)
}

// one calls do with the order id of the path, and answers with the order.
func one(ctx context.Context, path string, do func(context.Context, string, uuid.UUID) (Order, error)) (*orderReply, error) {
	id, err := uuid.Parse(path)
	if err != nil {
		return nil, &stock.InvalidError{Field: "path.id", Problem: "is not a UUID"}
	}
	order, err := do(ctx, access.ClientOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &orderReply{bodyOf(order)}, nil
}

type listRequest struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

type listReply struct{ Body orderPage }

type orderPage struct {
	Items      []placedOrder `json:"items" nullable:"false"`
	NextCursor string        `json:"next_cursor,omitempty" doc:"absent on the last page"`
}

func (r *routes) list(ctx context.Context, in *listRequest) (*listReply, error) {
	before := uuid.Nil
	if in.Cursor != "" {
		id, err := uuid.Parse(in.Cursor)
		if err != nil {
			return nil, &stock.InvalidError{Field: "query.cursor", Problem: "is not a cursor of this API"}
		}
		before = id
	}
	// One more than asked for tells whether there is another page.
	orders, err := r.ledger.List(ctx, access.ClientOf(ctx), before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	reply := &listReply{}
	if len(orders) > in.Limit {
		orders = orders[:in.Limit]
		reply.Body.NextCursor = orders[in.Limit-1].ID.String()
	}
	reply.Body.Items = make([]placedOrder, len(orders))
	for i, o := range orders {
		reply.Body.Items[i] = bodyOf(o)
	}
	return reply, nil
}
