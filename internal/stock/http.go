package stock

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Routes are the administrator's HTTP routes: setting, adjusting and reading the stock. All
// fields but AllowUnguarded are required.
type Routes struct {
	Store     *Store
	Cache     *Cache
	Shortages *Shortages
	Log       *slog.Logger
	// Client returns the name of the client that makes the request; each has its own
	// idempotency keys.
	Client func(context.Context) string
	// AllowUnguarded lets SKUs be created with a guard other than predicate.
	AllowUnguarded bool
}

// A SKU is the name of a SKU in a request. Its schema is the only place that defines its format
// in OpenAPI.
type SKU string

// Schema describes a SKU in OpenAPI; the framework checks requests against it.
func (SKU) Schema(huma.Registry) *huma.Schema {
	minLength, maxLength := 1, SKUMaxLength
	s := &huma.Schema{
		Type: huma.TypeString, MinLength: &minLength, MaxLength: &maxLength,
		Pattern: SKUPattern, Examples: []any{"A-1"},
		PatternDescription: "letters, digits, '.', '_' and '-', and not '.' or '..' alone",
	}
	s.PrecomputeMessages()
	return s
}

type stockItem struct {
	SKU      string `json:"sku"`
	OnHand   int64  `json:"on_hand" doc:"units left; below zero only if oversold"`
	Sold     int64  `json:"sold" doc:"units that orders have, confirmed or held; those of cancelled and expired orders are on hand again"`
	Received int64  `json:"received" doc:"units that came in, less those taken away by hand: on_hand + sold"`
	Version  int64  `json:"version" doc:"grows by one with every change of on_hand"`
	Guard    Guard  `json:"guard" enum:"predicate,fence,claim,none"`
}

type itemReply struct {
	Status int
	Body   stockItem
}

func replyWith(status int, i Item) *itemReply { return &itemReply{status, bodyOf(i)} }

func bodyOf(i Item) stockItem {
	return stockItem{i.SKU, i.OnHand, i.Sold, i.Received(), i.Version, i.Guard}
}

// changeErrors are the error statuses of a change of the stock, besides those that any request
// can have.
var changeErrors = []int{400, 408, 413, 415, 422, 503}

// Register adds the routes to api.
func (r *Routes) Register(api huma.API) {
	tags := []string{"stock"}
	huma.Register(api, huma.Operation{
		OperationID: "set-stock", Method: http.MethodPut, Path: "/v1/stock/{sku}", Tags: tags,
		Summary:      "Create a SKU, or set its level",
		Description:  "201 if there was none of the name. A level that is set is a movement of the difference. The guard is fixed when the SKU is created. 503 `outcome_unknown`: look at the level before it is set again, for that would put back what was sold in between.",
		MaxBodyBytes: MaxBody, Errors: changeErrors,
		Responses: map[string]*huma.Response{"201": {Description: "Created"}},
	}, r.set)
	set := api.OpenAPI().Paths["/v1/stock/{sku}"].Put.Responses
	set["201"].Content = set["200"].Content // the framework documents only one success
	r.registerAdjust(api, tags)
	huma.Register(api, huma.Operation{
		OperationID: "get-stock", Method: http.MethodGet, Path: "/v1/stock/{sku}", Tags: tags,
		Summary:     "Read a SKU's level from Postgres",
		Description: "What there is, what was sold, and what came in.",
		Errors:      []int{404, 422, 503},
	}, r.get)
	huma.Register(api, huma.Operation{
		OperationID: "list-stock", Method: http.MethodGet, Path: "/v1/stock", Tags: tags,
		Summary:     "List SKUs by name",
		Description: "In pages: the `next_cursor` of one is the `cursor` of the next.",
		Errors:      []int{422, 503},
	}, r.list)
	huma.Register(api, huma.Operation{
		OperationID: "list-movements", Method: http.MethodGet, Path: "/v1/stock/{sku}/movements", Tags: tags,
		Summary:     "Read a SKU's ledger in version order",
		Description: "A movement for each change of its level. In pages: the last one's `version` is the `after_version` of the next.",
		Errors:      []int{404, 422, 503},
	}, r.movements)
}

// MaxBody is the size at which a body is refused: one more than 16 KiB, because the
// framework refuses a body of exactly this size.
const MaxBody = 16<<10 + 1

type setRequest struct {
	SKU  SKU `path:"sku"`
	Body stockSetting
}

type stockSetting struct {
	OnHand int64 `json:"on_hand" minimum:"0" maximum:"1000000000000" doc:"units on hand"`
	Guard  Guard `json:"guard,omitempty" enum:"predicate,fence,claim,none" doc:"what in Postgres refuses to oversell; fixed when the SKU is created"`
}

func (r *Routes) set(ctx context.Context, in *setRequest) (*itemReply, error) {
	if g := in.Body.Guard; g != "" && g != GuardPredicate && !r.AllowUnguarded {
		return nil, &InvalidError{"body.guard", fmt.Sprintf("%q needs orderd to run with --allow-unguarded", g)}
	}
	item, created, err := r.Store.Set(ctx, string(in.SKU), in.Body.OnHand, in.Body.Guard)
	if err != nil {
		return nil, err
	}
	r.announce(ctx, item)
	if created {
		return replyWith(http.StatusCreated, item), nil
	}
	return replyWith(http.StatusOK, item), nil
}

// announce passes a committed level on to the shortages and the cache. If Redis cannot be written,
// the next newer version replaces the stale level.
func (r *Routes) announce(ctx context.Context, item Item) {
	r.Shortages.Invalidate(item.Level)
	if err := r.Cache.WriteBack(ctx, item.Level); err != nil {
		r.Log.WarnContext(ctx, "level was not written back", "err", err)
	}
}

type skuRequest struct {
	SKU SKU `path:"sku"`
}

func (r *Routes) get(ctx context.Context, in *skuRequest) (*itemReply, error) {
	item, err := r.Store.Get(ctx, string(in.SKU))
	if err != nil {
		return nil, err
	}
	return replyWith(http.StatusOK, item), nil
}

type listRequest struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before"`
}

type listReply struct{ Body stockPage }

type stockPage struct {
	Items      []stockItem `json:"items" nullable:"false"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"absent on the last page"`
}

func (r *Routes) list(ctx context.Context, in *listRequest) (*listReply, error) {
	if in.Cursor != "" && !ValidSKU(in.Cursor) {
		return nil, &InvalidError{"query.cursor", "must be the next_cursor of another page"}
	}
	// One more than asked for shows whether there is another page.
	items, err := r.Store.List(ctx, in.Cursor, in.Limit+1)
	if err != nil {
		return nil, err
	}
	reply := &listReply{}
	if len(items) > in.Limit {
		items = items[:in.Limit]
		reply.Body.NextCursor = items[in.Limit-1].SKU
	}
	reply.Body.Items = make([]stockItem, len(items))
	for i, item := range items {
		reply.Body.Items[i] = bodyOf(item)
	}
	return reply, nil
}

type movementsRequest struct {
	SKU   SKU   `path:"sku"`
	After int64 `query:"after_version" minimum:"0" default:"0" doc:"the last version already known"`
	Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type stockMovement struct {
	Version int64     `json:"version"`
	Delta   int64     `json:"delta"`
	Reason  string    `json:"reason" doc:"created, set, sale, cancel (an order was), hold_expired, or that of an adjustment"`
	OrderID string    `json:"order_id,omitempty" doc:"of the order that took the units or returned them"`
	OnHand  int64     `json:"on_hand" doc:"units after this movement"`
	Token   int64     `json:"token" doc:"fencing token of the lease, 0 without one"`
	Replica string    `json:"replica"`
	At      time.Time `json:"at"`
}

type movementsReply struct{ Body movementPage }

type movementPage struct {
	Items []stockMovement `json:"items" nullable:"false"`
}

func (r *Routes) movements(ctx context.Context, in *movementsRequest) (*movementsReply, error) {
	movements, err := r.Store.Movements(ctx, string(in.SKU), in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	reply := &movementsReply{}
	reply.Body.Items = make([]stockMovement, len(movements))
	for i, m := range movements {
		reply.Body.Items[i] = stockMovement{
			m.Version, m.Delta, m.Reason, m.OrderID, m.OnHand, m.Token, m.Replica, m.At.UTC(),
		}
	}
	return reply, nil
}
