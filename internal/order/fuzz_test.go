package order

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"orderd/internal/stock"
)

// A framework reads an order without fastPath, and keeps what it has read.
type framework struct {
	handler http.Handler
	read    *placeRequest // nil: the request was refused
}

func newFramework() *framework {
	f := &framework{}
	router := chi.NewRouter()
	huma.Register(humachi.New(router, apiConfig("test")), huma.Operation{
		OperationID: "place-order", Method: http.MethodPost, Path: ordersPath,
		DefaultStatus: http.StatusCreated, MaxBodyBytes: stock.MaxBody,
	}, func(_ context.Context, in *placeRequest) (*placeReply, error) {
		f.read = in
		return &placeReply{}, nil
	})
	f.handler = router
	return f
}

func (f *framework) send(body string) *httptest.ResponseRecorder {
	f.read = nil
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, ordersPath, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, req)
	return rec
}

// Whatever the body, read and the framework agree on whether it is an order, and on what is
// in it; and a refusal names the field.
func FuzzOrder(f *testing.F) {
	for _, body := range []string{
		`{"lines":[{"sku":"A-1","quantity":1}]}`,
		`{"lines":[{"quantity":10000,"sku":"..a"},{"sku":"A-1","quantity":2},{"sku":"A-1","quantity":3}]}`,
		`{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":600}`, `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":0}`,
		" {\n\t\"lines\" : [ { \"sku\" : \"\\u0041\\u002d1\" , \"quantity\" : 1 } ] }\r\n",
		`{"lines":[{"sku":"A-1","quantity":1,"quantity":2}]}`, `{"lines":[{"sku":"A-1","Quantity":1}]}`,
		`{"lines":[{"sku":"A-1","quantity":1.0}]}`, `{"lines":[{"sku":"A-1","quantity":1e3}]}`, `{"lines":[{"sku":"A-1","quantity":-0}]}`,
		`{"lines":[{"sku":"A-1","quantity":9223372036854775808}]}`, `{"lines":[{"sku":"A-1","quantity":"1"}]}`,
		`{"lines":[{"sku":null,"quantity":1}]}`, `{"lines":null}`, `{"lines":[]}`, `{"lines":[[]]}`, `{"lines":{"0":{}}}`, `[]`, `null`, `"x"`, ``,
		`{"lines":[{"sku":"A/1","quantity":1}]}`, `{"lines":[{"sku":"A` + "\xff" + `","quantity":1}]}`, `{"lines":[{"sku":"\ud800","quantity":1}]}`,
		`{"lines":[{"sku":"A-1","quantity":1}]}{}`, `{"lines":[{"sku":"A-1","quantity":1}],"price":1}`, `{"a/b~c":{"0":null}}`,
		strings.Repeat("[", 11_000), strings.Repeat(" ", stock.MaxBody+1),
	} {
		f.Add(body)
	}
	long := newFramework()
	f.Fuzz(func(t *testing.T, body string) {
		var quick newOrder
		fast := quick.read([]byte(body))
		rec := long.send(body)
		if long.read == nil {
			if fast {
				t.Fatalf("placed quickly, and refused by the framework: %d %s", rec.Code, rec.Body)
			}
			namesTheField(t, rec)
			return
		}
		in := long.read.Body
		if fast && (!reflect.DeepEqual(quick, in) || in.HoldSeconds != 0) {
			t.Fatalf("read quickly as %+v, by the framework as %+v", quick, in)
		}
		if !fast && in.HoldSeconds == 0 && !strings.Contains(body, "hold_seconds") && len(body) < stock.MaxBody {
			t.Fatalf("an order that the framework reads as %+v is not read quickly", in)
		}
		orderable(t, in)
	})
}

// namesTheField fails unless the answer is a client error that names the field.
func namesTheField(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("refused by %d %q: %v", rec.Code, rec.Body, err)
	}
	switch rec.Code {
	case http.StatusRequestEntityTooLarge:
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, "body") {
			t.Fatalf("refused by %d %s, want the field named", rec.Code, rec.Body)
		}
	default:
		t.Fatalf("refused by %d %s", rec.Code, rec.Body)
	}
}

// orderable fails unless what was read can be ordered as it is.
func orderable(t *testing.T, in newOrder) {
	t.Helper()
	r := Request{HoldSeconds: in.HoldSeconds}
	want := map[string]int64{}
	for _, l := range in.Lines {
		r.Lines = append(r.Lines, Line{string(l.SKU), l.Quantity})
		want[string(l.SKU)] += l.Quantity
	}
	if err := r.check(); err != nil {
		t.Fatalf("%+v was let through and cannot be ordered: %v", in, err)
	}
	got := map[string]int64{}
	for i, l := range r.Lines {
		got[l.SKU] = l.Quantity
		if l.Quantity < 1 || i > 0 && r.Lines[i-1].SKU >= l.SKU {
			t.Fatalf("merged into %+v, want each SKU once, sorted", r.Lines)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("merged into %v, want %v", got, want)
	}
}
