package order

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// lockRoutes are the operators' HTTP routes: who holds a SKU's lock, and evicting the
// holder.
type lockRoutes struct {
	locks locking.Locker
	store *stock.Store
	log   *slog.Logger
}

// errUnsupported: the mode cannot do what an operator asked for.
var errUnsupported = errors.New("order: the lock mode cannot do that")

type lockStatus struct {
	SKU     string     `json:"sku"`
	Held    bool       `json:"held"`
	Owner   string     `json:"owner,omitempty" doc:"the lease: the replica's name and what makes it unique"`
	Token   int64      `json:"token,omitempty" doc:"the lease's fencing token, where the backend stores it"`
	Since   *time.Time `json:"held_since,omitempty" doc:"by the backend's clock; ZooKeeper: in the queue since"`
	Until   *time.Time `json:"held_until,omitempty" doc:"unless it is renewed before"`
	Waiters int        `json:"waiters" doc:"callers in the queue, as far as the backend can see"`
}

func statusOf(sku string, s locking.Status) lockStatus {
	return lockStatus{
		SKU: sku, Held: s.Owner != "", Owner: s.Owner, Token: s.Token,
		Since: optional(s.Since), Until: optional(s.Until), Waiters: s.Waiters,
	}
}

// optional is a time that is absent from a body if it is zero.
func optional(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func (r *lockRoutes) register(api huma.API) {
	tags := []string{"locks"}
	huma.Register(api, huma.Operation{
		OperationID: "get-lock", Method: http.MethodGet, Path: "/v1/locks/{sku}", Tags: tags,
		Summary:     "See who holds a SKU's lock, and how many wait",
		Description: "As the lock service has it; 501 where the mode has none to ask, or cannot tell.",
		Errors:      []int{422, 501, 503},
	}, r.get)
	huma.Register(api, huma.Operation{
		OperationID: "evict-lock", Method: http.MethodDelete, Path: "/v1/locks/{sku}", Tags: tags,
		Summary:     "Take a SKU's lock from its holder",
		Description: "The SKU's fence is moved on first, so that the guards `fence` and `claim` refuse what the old holder still writes. The guards `predicate` and `none` look at no token: the first needs none, the second is not protected.",
		Errors:      []int{404, 422, 501, 503},
	}, r.evict)
}

type lockRequest struct {
	SKU stock.SKU `path:"sku"`
}

type lockReply struct{ Body lockStatus }

func (r *lockRoutes) get(ctx context.Context, in *lockRequest) (*lockReply, error) {
	inspector, ok := r.locks.(locking.Inspector)
	if !ok {
		return nil, fmt.Errorf("inspect a lock: %w", errUnsupported)
	}
	status, err := inspector.Inspect(ctx, string(in.SKU))
	if err != nil {
		return nil, err
	}
	return &lockReply{statusOf(string(in.SKU), status)}, nil
}

type evictReply struct{ Body eviction }

type eviction struct {
	SKU     string `json:"sku"`
	Evicted bool   `json:"evicted" doc:"whether a lease was ended"`
	Owner   string `json:"owner,omitempty" doc:"whose it was"`
	Fence   int64  `json:"fence" doc:"leases with a smaller token are refused from now on"`
}

// evict draws a token before it looks up the holder, so that a caller who acquires the lock
// in between has a larger one, and raises the fence before it evicts, so that at no moment
// both the old holder and a new one could write.
func (r *lockRoutes) evict(ctx context.Context, in *lockRequest) (*evictReply, error) {
	sku := string(in.SKU)
	evictor, ok := r.locks.(locking.Evictor)
	if !ok {
		return nil, fmt.Errorf("evict a lock: %w", errUnsupported)
	}
	fence, err := evictor.NextToken(ctx, sku)
	if err != nil {
		return nil, err
	}
	status, err := evictor.Inspect(ctx, sku)
	if err != nil {
		return nil, err
	}
	if err := r.store.Fence(ctx, sku, fence); err != nil {
		return nil, err
	}
	reply := &evictReply{eviction{SKU: sku, Fence: fence}}
	if status.Owner == "" || status.Token >= fence {
		return reply, nil
	}
	evicted, err := evictor.Evict(ctx, sku, status.Owner)
	if err != nil {
		return nil, err
	}
	reply.Body.Evicted, reply.Body.Owner = evicted, status.Owner
	r.log.WarnContext(ctx, "lock taken away by an operator",
		"sku", sku, "owner", status.Owner, "evicted", evicted, "fence", fence)
	return reply, nil
}
