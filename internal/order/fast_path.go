package order

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"orderd/internal/stock"
)

// fastPath places orders without the framework, which takes most of an order's
// time: it reads a body three times over, to say exactly what is wrong with it.
// A body that is read at once and has nothing wrong is placed here. All others
// go the framework's way, from the start: it is the one that refuses, and what
// it would refuse is never placed here.
func (r *routes) fastPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || req.URL.Path != ordersPath || req.URL.RawQuery != "" {
			next.ServeHTTP(w, req)
			return
		}
		body, err := readBody(req)
		in := &placeRequest{}
		key, badKey := stock.ParseKey(req.Header[stock.KeyHeader])
		if err != nil || badKey != nil || !in.Body.read(body) {
			rest := req.Body
			if err != nil { // the framework would give a slow client as much time once more, to read or to close
				rest = io.NopCloser(broken{err})
			}
			req.Body = again{io.MultiReader(bytes.NewReader(body), rest), rest}
			if err != nil || len(body) < stock.MaxBody {
				w = arrived{w}
			}
			next.ServeHTTP(w, req)
			return
		}
		in.Key = key
		reply, err := r.place(req.Context(), in)
		if err != nil {
			recordOf(req.Context()).err = err
			writeProblem(w, req, problemOf(err))
			return
		}
		w.Header().Set("Location", reply.Location)
		if reply.Replayed != "" {
			w.Header().Set(stock.ReplayedHeader, reply.Replayed)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = huma.DefaultJSONFormat.Marshal(w, reply.Body) // the client is gone if it fails
	})
}

// readBody reads as much of a body as an order may have.
func readBody(req *http.Request) ([]byte, error) {
	if n := req.ContentLength; n >= 0 && n < stock.MaxBody { // nearly all: there is no need to guess how much room it takes
		body := make([]byte, n)
		n, err := io.ReadFull(req.Body, body)
		return body[:n], err
	}
	return io.ReadAll(io.LimitReader(req.Body, stock.MaxBody))
}

// again is a body of which a part has been read.
type again struct {
	io.Reader
	io.Closer
}

// arrived is the writer of a request whose body is there, or will never be. The
// framework would set a time for its arrival, which ends while the order waits for
// its turn: on the connection, where the server listens for the client's leaving by
// then, and would take it for that.
type arrived struct{ http.ResponseWriter }

// SetReadDeadline does nothing.
func (arrived) SetReadDeadline(time.Time) error { return nil }

// Unwrap lets http.ResponseController reach the connection.
func (a arrived) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// broken is the rest of a body that could not be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// plainOrder is what read knows of a newOrder. A body with more in it, such as a
// hold, goes the framework's way.
type plainOrder struct {
	Lines []newOrderLine `json:"lines"`
}

// read reads an order and reports whether that went well. It accepts nothing
// that the framework would not, and need not accept all that it would: names
// that are unknown, twice there or in another case end it, as do fractions; a
// null leaves a value that is not valid.
func (o *newOrder) read(body []byte) bool {
	var plain plainOrder
	if len(body) >= stock.MaxBody || json.Unmarshal(body, &plain, json.RejectUnknownMembers(true)) != nil {
		return false
	}
	o.Lines = plain.Lines
	for _, line := range o.Lines {
		if !stock.ValidSKU(string(line.SKU)) || line.Quantity < 1 || line.Quantity > MaxQuantity {
			return false
		}
	}
	return len(o.Lines) >= 1 && len(o.Lines) <= MaxLines
}
