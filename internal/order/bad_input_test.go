package order_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"orderd/internal/locking"
)

// tooMany is a body of n lines.
func tooMany(n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = `{"sku":"A-` + strconv.Itoa(i) + `","quantity":1}`
	}
	return `{"lines":[` + strings.Join(lines, ",") + `]}`
}

func TestHTTP_BadInputNamesTheFieldAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 100_000_000, "")
	const line0 = "body.lines[0]"
	line := func(quantity string) string {
		return `{"lines":[{"sku":"A-1","quantity":` + quantity + `}]}`
	}
	sku := func(sku string) string { return `{"lines":[{"sku":"` + sku + `","quantity":1}]}` }
	hold := func(seconds string) string {
		return `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":` + seconds + `}`
	}
	for name, row := range map[string]struct {
		body   string
		status int
		code   string
		place  string
	}{
		"malformed JSON":         {`{"lines":[`, 400, "malformed", "body"},
		"no body":                {` `, 400, "malformed", "body"},
		"two values":             {line("1") + line("1"), 400, "malformed", "body"},
		"too large":              {line("1") + strings.Repeat(" ", 16<<10), 413, "too_large", "body"},
		"not an object":          {`[]`, 422, "invalid", "body"},
		"unknown field":          {`{"lines":[{"sku":"A-1","quantity":1}],"price":1}`, 422, "invalid", "body.price"},
		"unknown field in line":  {`{"lines":[{"sku":"A-1","quantity":1,"price":1}]}`, 422, "invalid", line0 + ".price"},
		"field in another case":  {`{"Lines":[{"sku":"A-1","quantity":1}]}`, 422, "invalid", "body"},
		"duplicate field":        {`{"lines":[{"sku":"A-1","quantity":1,"quantity":2}]}`, 400, "malformed", line0 + ".quantity"},
		"duplicate in two cases": {`{"lines":[{"sku":"A-1","quantity":1,"Quantity":2}]}`, 422, "invalid", line0 + ".Quantity"},
		"duplicate lines":        {`{"lines":[{"sku":"A-1","quantity":1}],"lines":[{"sku":"A-1","quantity":1}]}`, 400, "malformed", "body.lines"},
		"null lines":             {`{"lines":null}`, 400, "malformed", "body.lines"},
		"null line":              {`{"lines":[null]}`, 400, "malformed", line0},
		"null SKU":               {`{"lines":[{"sku":null,"quantity":1}]}`, 400, "malformed", line0 + ".sku"},
		"null quantity":          {line("null"), 400, "malformed", line0 + ".quantity"},
		"missing lines":          {`{}`, 422, "invalid", "body"},
		"missing quantity":       {`{"lines":[{"sku":"A-1"}]}`, 422, "invalid", line0},
		"quantity 0":             {line("0"), 422, "invalid", line0 + ".quantity"},
		"quantity -1":            {line("-1"), 422, "invalid", line0 + ".quantity"},
		"quantity 1.5":           {line("1.5"), 400, "malformed", line0 + ".quantity"},
		"quantity 1.0":           {line("1.0"), 400, "malformed", line0 + ".quantity"},
		"quantity 1e3":           {line("1e3"), 400, "malformed", line0 + ".quantity"},
		`quantity "1"`:           {line(`"1"`), 422, "invalid", line0 + ".quantity"},
		"quantity true":          {line(`true`), 422, "invalid", line0 + ".quantity"},
		"quantity 10001":         {line("10001"), 422, "invalid", line0 + ".quantity"},
		"quantity 2^63-1":        {line("9223372036854775807"), 422, "invalid", line0 + ".quantity"},
		"quantity 2^63":          {line("9223372036854775808"), 422, "invalid", line0 + ".quantity"},
		"quantity -2^63":         {line("-9223372036854775808"), 422, "invalid", line0 + ".quantity"},
		"quantity 2^64+1":        {line("18446744073709551617"), 422, "invalid", line0 + ".quantity"},
		"quantity -0.0":          {line("-0.0"), 400, "malformed", line0 + ".quantity"},
		"quantity 1e309":         {line("1e309"), 400, "malformed", line0 + ".quantity"},
		"quantity of 400 digits": {line(strings.Repeat("9", 400)), 400, "malformed", line0 + ".quantity"},
		"hold of 0 seconds":      {hold("0"), 422, "invalid", "body.hold_seconds"},
		"hold of -1 seconds":     {hold("-1"), 422, "invalid", "body.hold_seconds"},
		"hold of 3601 seconds":   {hold("3601"), 422, "invalid", "body.hold_seconds"},
		"hold of 1.5 seconds":    {hold("1.5"), 400, "malformed", "body.hold_seconds"},
		"hold of null seconds":   {hold("null"), 400, "malformed", "body.hold_seconds"},
		`hold of "5" seconds`:    {hold(`"5"`), 422, "invalid", "body.hold_seconds"},
		"two holds":              {hold(`5,"hold_seconds":6`), 400, "malformed", "body.hold_seconds"},
		"no lines":               {`{"lines":[]}`, 422, "invalid", "body.lines"},
		"21 lines":               {tooMany(21), 422, "invalid", "body.lines"},
		"empty SKU":              {sku(""), 422, "invalid", line0 + ".sku"},
		"SKU .":                  {sku("."), 422, "invalid", line0 + ".sku"},
		"SKU ..":                 {sku(".."), 422, "invalid", line0 + ".sku"},
		"SKU with a slash":       {sku("A/1"), 422, "invalid", line0 + ".sku"},
		"SKU with a brace":       {sku("{A}"), 422, "invalid", line0 + ".sku"},
		"SKU with a colon":       {sku("A:1"), 422, "invalid", line0 + ".sku"},
		"SKU with a NUL":         {sku(`A\u0000`), 422, "invalid", line0 + ".sku"},
		"SKU with a line end":    {sku(`A-1\n`), 422, "invalid", line0 + ".sku"},
		"SKU that looks alike":   {sku("А-1"), 422, "invalid", line0 + ".sku"},
		"SKU of 65 characters":   {sku(strings.Repeat("A", 65)), 422, "invalid", line0 + ".sku"},
		"SKU of 10,000 letters":  {sku(strings.Repeat("A", 10_000)), 422, "invalid", line0 + ".sku"},
		"SKU with an asterisk":   {sku("A*"), 422, "invalid", line0 + ".sku"},
		"SKU with a blank":       {sku("A 1"), 422, "invalid", line0 + ".sku"},
		"SKU with an escape":     {sku(`A\u001b[2K`), 422, "invalid", line0 + ".sku"},
		"broken UTF-8":           {sku("A\xff"), 400, "malformed", "body"},
		"SKU is a number":        {`{"lines":[{"sku":1,"quantity":1}]}`, 422, "invalid", line0 + ".sku"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := s.send(t, http.MethodPost, "/v1/orders", row.body)
			if rec.Code != row.status {
				t.Fatalf("answer %d %s, want %d", rec.Code, rec.Body, row.status)
			}
			p := problemIn(t, rec)
			if p.Code != row.code || p.Retryable {
				t.Errorf("code %q, retryable %v; want %q and not", p.Code, p.Retryable, row.code)
			}
			if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, row.place) {
				t.Errorf("errors %+v, want one at %s", p.Errors, row.place)
			}
		})
	}
	if orders, movements := s.count(t, "orders"), s.count(t, "movements"); orders != 0 || movements != 1 {
		t.Errorf("%d orders and %d movements, want none but the stock's own", orders, movements)
	}
}

func TestHTTP_BodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	const body = `{"lines":[{"sku":"A-1","quantity":1}]}`
	post := func(contentType, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", strings.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		return rec
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/cbor", "json", ";"} {
		rec := post(contentType, body)
		if p := problemIn(t, rec); rec.Code != http.StatusUnsupportedMediaType || !strings.Contains(p.Detail, "Content-Type") {
			t.Errorf("Content-Type %q is answered %d %s, want 415 that names the header", contentType, rec.Code, rec.Body)
		}
	}
	padded := func(size int) string { return body + strings.Repeat(" ", size-len(body)) }
	if rec := post("application/json; charset=utf-8", padded(16<<10)); rec.Code != http.StatusCreated {
		t.Errorf("a body of 16 KiB is answered %d %s, want 201", rec.Code, rec.Body)
	}
	rec := post("application/json", padded(16<<10+1))
	if p := problemIn(t, rec); rec.Code != http.StatusRequestEntityTooLarge || p.Code != "too_large" {
		t.Errorf("a body of 16 KiB and a byte is answered %d %s, want 413", rec.Code, rec.Body)
	}
	if n := s.count(t, "orders"); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}

func TestHTTP_StockBadInput(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		place              string
	}{
		"SKU with an escaped slash": {"PUT", "/v1/stock/a%2Fb", `{"on_hand":1}`, 422, "path.sku"},
		"SKU ..":                    {"PUT", "/v1/stock/..", `{"on_hand":1}`, 422, "path.sku"},
		"SKU too long":              {"PUT", "/v1/stock/" + strings.Repeat("a", 65), `{"on_hand":1}`, 422, "path.sku"},
		"negative":                  {"PUT", "/v1/stock/A-1", `{"on_hand":-1}`, 422, "body.on_hand"},
		"above the maximum":         {"PUT", "/v1/stock/A-1", `{"on_hand":1000000000001}`, 422, "body.on_hand"},
		"missing":                   {"PUT", "/v1/stock/A-1", `{}`, 422, "body"},
		"unknown guard":             {"PUT", "/v1/stock/A-1", `{"on_hand":1,"guard":"hope"}`, 422, "body.guard"},
		"guard none is not allowed": {"PUT", "/v1/stock/B-1", `{"on_hand":1,"guard":"none"}`, 422, "body.guard"},
		"version is not settable":   {"PUT", "/v1/stock/A-1", `{"on_hand":1,"version":9}`, 422, "body.version"},
		"2^63":                      {"PUT", "/v1/stock/A-1", `{"on_hand":9223372036854775808}`, 422, "body.on_hand"},
		"a fraction":                {"PUT", "/v1/stock/A-1", `{"on_hand":1.5}`, 400, "body.on_hand"},
		"null":                      {"PUT", "/v1/stock/A-1", `{"on_hand":null}`, 400, "body.on_hand"},
		"adjust beyond the maximum": {"POST", "/v1/stock/A-1/adjustments", `{"delta":1000000000000,"reason":"restock"}`, 422, "body.delta"},
		"adjust by 2^63-1":          {"POST", "/v1/stock/A-1/adjustments", `{"delta":9223372036854775807,"reason":"restock"}`, 422, "body.delta"},
		"adjust by -2^63":           {"POST", "/v1/stock/A-1/adjustments", `{"delta":-9223372036854775808,"reason":"restock"}`, 422, "body.delta"},
		"adjust by a fraction":      {"POST", "/v1/stock/A-1/adjustments", `{"delta":1e3,"reason":"restock"}`, 400, "body.delta"},
		"adjust by 0":               {"POST", "/v1/stock/A-1/adjustments", `{"delta":0,"reason":"restock"}`, 422, "body.delta"},
		"reason in capitals":        {"POST", "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"No"}`, 422, "body.reason"},
		"orderd's own reason":       {"POST", "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"sale"}`, 422, "body.reason"},
		"unknown query":             {"GET", "/v1/stock?page=2", ``, 422, "query.page"},
		"limit 0":                   {"GET", "/v1/stock?limit=0", ``, 422, "query.limit"},
		"cursor of the stock":       {"GET", "/v1/stock?cursor=%00", ``, 422, "query.cursor"},
		"order id":                  {"GET", "/v1/orders/1", ``, 422, "path.id"},
		"cursor":                    {"GET", "/v1/orders?cursor=x", ``, 422, "query.cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := s.send(t, row.method, row.path, row.body)
			p := problemIn(t, rec)
			if rec.Code != row.status || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, row.place) {
				t.Errorf("answer %d %s, want %d at %s", rec.Code, rec.Body, row.status, row.place)
			}
		})
	}
	const adjustments, addOne = "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"restock"}`
	rec := s.post(t, "", "two words", adjustments, addOne)
	if p := problemIn(t, rec); rec.Code != http.StatusUnprocessableEntity || p.Errors[0].Location != "header.Idempotency-Key" {
		t.Errorf("a key that cannot be is answered %d %s, want 422 at header.Idempotency-Key", rec.Code, rec.Body)
	}
	if n := s.count(t, "movements"); n != 1 {
		t.Errorf("%d movements, want the first alone", n)
	}
	if rec := s.post(t, "", `"k"`, adjustments, addOne); rec.Code != http.StatusOK {
		t.Errorf("an adjustment with a key is answered %d %s", rec.Code, rec.Body)
	}
	// A replay answers with the level as of then. It is not written to Redis, which may have lost the
	// current one.
	if err := s.redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if rec := s.post(t, "", "k", adjustments, addOne); rec.Header().Get("Idempotent-Replayed") != "true" || s.redis.DBSize(t.Context()).Val() != 0 {
		t.Errorf("a replay is answered %d %v, and Redis has %d levels; want it replayed and none", rec.Code, rec.Header(), s.redis.DBSize(t.Context()).Val())
	}
	rec = s.post(t, "", "k", adjustments, `{"delta":2,"reason":"restock"}`)
	if p := problemIn(t, rec); rec.Code != http.StatusUnprocessableEntity || p.Code != "idempotency_mismatch" || p.Retryable {
		t.Errorf("its key for another is answered %d %s, want 422", rec.Code, rec.Body)
	}
}

// Of a query that can be read in two ways, or not at all, the framework would take a part.
func TestHTTP_QueriesAreReadAsAWhole(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	for path, want := range map[string]string{
		"/v1/orders?limit=1&cursor=%zz": "422 query", "/v1/stock?a;b": "422 query",
		"/v1/stock?limit=1&limit=2": "422 query.limit", "/v1/stock?price=1": "422 query.price",
		"/v1/stock?limit=1&cursor": "422 query.cursor", "/v1/stock?cursor&limit=1": "422 query.cursor",
	} {
		rec := s.send(t, http.MethodGet, path, "")
		p := problemIn(t, rec)
		if got := fmt.Sprint(rec.Code, " ", p.Errors[0].Location); got != want {
			t.Errorf("%s is answered %s %s, want %s", path, got, rec.Body, want)
		}
	}
}
