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

// requestLimit is when a client gives an order up; its outcome is unknown then.
const requestLimit = 30 * time.Second

// answerLimit bounds what is read of an answer.
const answerLimit = 1 << 20

// A Client speaks to the replicas of one deployment.
type Client struct {
	targets []string
	http    *http.Client
	bearer  string // of every request; may be empty
}

// NewClient returns a client of the deployment at the base URLs, with at most
// connections kept open to each.
func NewClient(targets []string, connections int) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	transport.MaxIdleConns = connections * len(targets)
	return &Client{targets: targets, http: &http.Client{Transport: transport, Timeout: requestLimit}}
}

// Authorize has the client show an API key from now on.
func (c *Client) Authorize(apiKey string) { c.bearer = "Bearer " + apiKey }

// Close ends the connections kept open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Order places one order of op.Quantity at the nth target, under op.Key if there
// is one, and fills in what came of it, but for the times.
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

// read tells the order's outcome from its answer's status and body.
func (op *Op) read(body []byte) {
	if op.Status == http.StatusCreated {
		confirmed(body, op)
		return
	}
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(body, &problem) // without a code it is some other failure
	op.Code = problem.Code
	switch problem.Code {
	case "sold_out":
		op.Outcome = SoldOut
	case "busy":
		op.Outcome = Busy
	case "outcome_unknown", "internal": // what went wrong may have done so after the order was placed
		op.Outcome = Unknown
	case "":
		// Somebody between us and orderd answered, and cannot know.
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

// An answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request, with an idempotency key unless that is empty, and reads
// the whole answer, so that the connection can be used again.
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

// lockWait finds the lock's part in a Server-Timing header.
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
