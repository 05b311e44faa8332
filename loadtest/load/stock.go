package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// SetStock creates the SKU with a level and a guard, or sets the level of an existing one.
func (c *Client) SetStock(ctx context.Context, sku string, onHand int64, guard string) error {
	body := fmt.Sprintf(`{"on_hand":%d,"guard":%q}`, onHand, guard)
	return c.call(ctx, http.MethodPut, "/v1/stock/"+url.PathEscape(sku), body, nil)
}

// Level returns the SKU's current level and version.
func (c *Client) Level(ctx context.Context, sku string) (onHand, version int64, err error) {
	var item struct {
		OnHand  int64 `json:"on_hand"`
		Version int64 `json:"version"`
	}
	err = c.call(ctx, http.MethodGet, "/v1/stock/"+url.PathEscape(sku), "", &item)
	return item.OnHand, item.Version, err
}

// Ledger reads the SKU's movements after a version, page by page.
func (c *Client) Ledger(ctx context.Context, sku string, after int64) ([]Movement, error) {
	const page = 1000
	var ledger []Movement
	for {
		var answer struct {
			Items []Movement `json:"items"`
		}
		path := fmt.Sprintf("/v1/stock/%s/movements?after_version=%d&limit=%d", url.PathEscape(sku), after, page)
		if err := c.call(ctx, http.MethodGet, path, "", &answer); err != nil {
			return nil, err
		}
		ledger = append(ledger, answer.Items...)
		if len(answer.Items) < page {
			return ledger, nil
		}
		after = ledger[len(ledger)-1].Version
	}
}

// AwaitReady waits until every target reports that it is ready, or ctx ends.
func (c *Client) AwaitReady(ctx context.Context) error {
	for _, target := range c.targets {
		for {
			a, err := c.send(ctx, http.MethodGet, target+"/readyz", "", "")
			if err == nil && a.status == http.StatusOK {
				break
			}
			if err == nil {
				err = fmt.Errorf("it answers %d %s", a.status, a.body)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready: %w", target, err)
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}

// call sends an administrator's request to the first target, and decodes the answer into into
// unless it is nil.
func (c *Client) call(ctx context.Context, method, path, body string, into any) error {
	a, err := c.send(ctx, method, c.targets[0]+path, body, "")
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if a.status >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
