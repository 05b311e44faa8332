package stock

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func (r *Routes) registerAdjust(api huma.API, tags []string) {
	huma.Register(api, huma.Operation{
		OperationID: "adjust-stock", Method: http.MethodPost, Path: "/v1/stock/{sku}/adjustments", Tags: tags,
		Summary: "Add units, or take some away", MaxBodyBytes: MaxBody, Errors: append([]int{404, 409}, changeErrors...),
		Description: "With an `Idempotency-Key`, the same request is answered as the first time, with `Idempotent-Replayed: true`, and may be sent again after any answer that is `retryable`. Without one, an adjustment whose outcome is unknown is not: look at the SKU's movements first.",
	}, r.adjust)
}

type adjustRequest struct {
	SKU  SKU    `path:"sku"`
	Key  string `header:"Idempotency-Key" doc:"the client's own name for this adjustment, to send it again with, as for an order. The same client's key for another adjustment is refused; keys of orders are others"`
	Body stockAdjustment
}

// ResolveKey parses the idempotency key of a framework request. Its problems name the header.
func ResolveKey(ctx huma.Context) (key string, problems []error) {
	var values []string
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, KeyHeader) {
			values = append(values, value)
		}
	})
	key, err := ParseKey(values)
	if err != nil {
		problems = []error{&huma.ErrorDetail{Location: "header." + KeyHeader, Message: err.Error()}}
	}
	return key, problems
}

// Resolve parses the key: the framework only copies the header.
func (in *adjustRequest) Resolve(ctx huma.Context) []error {
	var problems []error
	in.Key, problems = ResolveKey(ctx)
	return problems
}

type adjustReply struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true: the adjustment had been made before with this key, and was answered so then"`
	Body     stockItem
}

type stockAdjustment struct {
	Delta  int64  `json:"delta" minimum:"-1000000000000" maximum:"1000000000000" doc:"units to add; negative to take away; not 0"`
	Reason string `json:"reason" pattern:"^[a-z][a-z0-9_]{0,31}$" patternDescription:"a letter and up to 31 more letters, digits and '_', all lower case" example:"restock" doc:"recorded with the movement; created, set, sale, cancel and hold_expired are orderd's own"`
}

func (r *Routes) adjust(ctx context.Context, in *adjustRequest) (*adjustReply, error) {
	if in.Body.Delta == 0 {
		return nil, &InvalidError{"body.delta", "must not be 0"}
	}
	item, replayed, err := r.Store.Adjust(ctx, Adjustment{
		Client: r.Client(ctx), Key: in.Key, SKU: string(in.SKU), Delta: in.Body.Delta, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	reply := &adjustReply{Body: bodyOf(item)}
	if replayed {
		reply.Replayed = "true" // its level is an old one, which must not be passed on
	} else {
		r.announce(ctx, item)
	}
	return reply, nil
}
