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

// fastPath places orders without the framework, which takes most of an order's time: it
// reads a body three times over, to say exactly what is wrong with it. A body that can be
// read in one pass and is valid is placed here. All others are left to the framework, from
// the first byte: only it refuses bodies, and no body that it would refuse is placed here.
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
			if err != nil { // reading or closing it again would give a slow client its whole time limit once more
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

// readBody reads a body, up to the size that an order may have.
func readBody(req *http.Request) ([]byte, error) {
	if n := req.ContentLength; n >= 0 && n < stock.MaxBody { // nearly all: the buffer need not grow
		body := make([]byte, n)
		n, err := io.ReadFull(req.Body, body)
		return body[:n], err
	}
	return io.ReadAll(io.LimitReader(req.Body, stock.MaxBody))
}

// again is a body of which a part has been read: it starts over with that part.
type again struct {
	io.Reader
	io.Closer
}

// arrived is the ResponseWriter of a request whose body has been read, or cannot be. It
// ignores the read deadline that the framework sets on the connection for the body. The
// deadline would pass while the order waits for its group: by then the server reads from
// the connection to notice a client that disconnects, and would take the timeout for that.
type arrived struct{ http.ResponseWriter }

// SetReadDeadline does nothing.
func (arrived) SetReadDeadline(time.Time) error { return nil }

// Unwrap lets http.ResponseController reach the connection.
func (a arrived) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// broken is the rest of a body that could not be read: it returns the error.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// plainOrder has the fields of a newOrder that read supports. A body with any others, such
// as a hold, is left to the framework.
type plainOrder struct {
	Lines []newOrderLine `json:"lines"`
}

// read parses and validates an order, and reports whether it succeeded. It accepts nothing
// that the framework would refuse, but not all that the framework would accept: it fails on
// names that are unknown, duplicate or in another case, and on fractions; a null becomes a
// value that is not valid.
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
