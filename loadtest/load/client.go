package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// requestLimit is how long a client waits for an answer. After that the outcome is unknown.
const requestLimit = 30 * time.Second

// answerLimit is the longest body that is read of an answer, in bytes.
const answerLimit = 1 << 20

// A Client speaks to the replicas of one deployment.
type Client struct {
	targets []string
	http    *http.Client
	bearer  string // Authorization header of every request; may be empty
}

// NewClient returns a client of the deployment at the base URLs that keeps at most the given
// number of idle connections to each.
func NewClient(targets []string, connections int) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	transport.MaxIdleConns = connections * len(targets)
	return &Client{targets: targets, http: &http.Client{Transport: transport, Timeout: requestLimit}}
}

// Authorize has the client send an API key with every request from now on.
func (c *Client) Authorize(apiKey string) { c.bearer = "Bearer " + apiKey }

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Order orders op.Quantity units of sku from the nth target, with op.Key if it is set, and
// fills in the result, except Call and Return.
func (c *Client) Order(ctx context.Context, n int, sku string, op *Op) {
	c.place(ctx, n, fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":%d}]}`, sku, op.Quantity), op)
}

func (c *Client) place(ctx context.Context, n int, body string, op *Op) {
	op.LockWait = -1
	a, err := c.send(ctx, http.MethodPost, c.target(n)+"/v1/orders", body, op.Key)
	if err != nil {
		op.Outcome, op.Error = Unknown, err.Error()
		return
	}
	op.Status = a.status
	op.Replica = a.header.Get("X-Orderd-Replica")
	op.LockWait = lockWait(a.header.Get("Server-Timing"))
	op.read(a.body)
}

func (c *Client) target(n int) string { return c.targets[n%len(c.targets)] }

// read sets the order's outcome from its status and the answer's body.
func (op *Op) read(body []byte) {
	if op.Status == http.StatusCreated {
		confirmed(body, op)
		return
	}
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(body, &problem) // a body that is no problem leaves Code empty
	op.Code = problem.Code
	switch problem.Code {
	case "sold_out":
		op.Outcome = SoldOut
	case "busy":
		op.Outcome = Busy
	case "outcome_unknown", "internal": // it may have failed after the order was placed
		op.Outcome = Unknown
	case "":
		// Something between the client and orderd answered, and cannot know the outcome.
		op.Outcome, op.Error = Unknown, http.StatusText(op.Status)
	default:
		op.Outcome = Failed
	}
}

func confirmed(text []byte, op *Op) {
	var order struct {
		ID    string `json:"id"`
		Lines []Line `json:"lines"`
	}
	op.Outcome = Confirmed
	err := json.Unmarshal(text, &order)
	if op.Lines != nil {
		op.OrderID = order.ID
		op.learn(text, order.Lines)
		return
	}
	if err != nil || len(order.Lines) != 1 {
		op.Error = "confirmed with a body that is no order of one line"
		return // the audit will not find it in the ledger
	}
	op.OrderID, op.Left, op.Version = order.ID, order.Lines[0].Left, order.Lines[0].Version
}

// An answer is a response whose body has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request, with an idempotency key unless key is empty, and reads the whole
// answer, so that the connection can be reused.
func (c *Client) send(ctx context.Context, method, url, body, key string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", c.bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	return answer{resp.StatusCode, resp.Header, text}, err
}

// lockWait returns the lock's part of a Server-Timing header, -1 if it has none.
func lockWait(header string) time.Duration {
	for part := range strings.SplitSeq(header, ",") {
		name, duration, ok := strings.Cut(strings.TrimSpace(part), ";dur=")
		if !ok || name != "lock" {
			continue
		}
		if ms, err := strconv.ParseFloat(duration, 64); err == nil {
			return time.Duration(ms * float64(time.Millisecond))
		}
	}
	return -1
}
