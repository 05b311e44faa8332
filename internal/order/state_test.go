package order_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderd/internal/order"
)

// A till is a model of orderd: a shop with one clerk and a notebook, without anything that
// makes it hard. It runs each action at one of two replicas as well and compares.
type till struct {
	shops  []*shop
	client string
	rows   map[string]*tillRow
	orders []*tillOrder
	keys   int

	restocks []tillRestock
}

// A tillRestock is a restock with a key, and how it was answered.
type tillRestock struct{ key, path, body, answer string }

type tillRow struct{ left, sold, version int64 }

type tillOrder struct {
	wish
	key    string
	first  orderBody // as it was answered
	status string
	swept  bool // the units of an expired hold are back
}

// A wish is the body of an order.
type wish struct {
	Lines       []wishLine `json:"lines"`
	HoldSeconds int64      `json:"hold_seconds,omitempty"`
}

type wishLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type orderBody struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Lines  []struct {
		SKU       string `json:"sku"`
		Quantity  int64  `json:"quantity"`
		Remaining int64  `json:"remaining"`
		Version   int64  `json:"stock_version"`
	} `json:"lines"`
	CreatedAt     time.Time  `json:"created_at"`
	HoldExpiresAt *time.Time `json:"hold_expires_at"`
}

// stateChecks is how many random histories are run. On real servers each takes a while.
const stateChecks = 60

// Whatever is done to orders, one action after the other and at either replica, each answer
// is the one that a shop with one till would give.
func TestState_asAtOneTill(t *testing.T) { // not in parallel: it sets a flag that others read
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if err := checks.Set(strconv.Itoa(stateChecks)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = checks.Set(before) }()
	first, second := openTwo(t)
	first.LockWait, second.LockWait = 20*time.Second, 20*time.Second // so that a busy machine causes no refusals
	second.Lanes = order.NewLanes(second.Service, 64)
	defer second.Lanes.Close()
	plays := 0
	rapid.Check(t, func(rt *rapid.T) {
		plays++
		m := &till{shops: []*shop{first, second}, client: strconv.Itoa(plays), rows: map[string]*tillRow{}}
		for i, name := range []string{"a", "B", "c"} {
			sku := fmt.Sprintf("%s-%d", name, plays)
			m.rows[sku] = &tillRow{left: rapid.Int64Range(0, 20).Draw(rt, "units"), version: 1}
			m.shops[i%2].mustSet(t, sku, m.rows[sku].left, "")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"place":         func(rt *rapid.T) { m.place(t, rt) },
			"replay":        func(rt *rapid.T) { m.replay(t, rt) },
			"confirm":       func(rt *rapid.T) { m.confirm(t, rt) },
			"cancel":        func(rt *rapid.T) { m.cancel(t, rt) },
			"expire":        func(rt *rapid.T) { m.expire(t, rt) },
			"sweep":         func(rt *rapid.T) { m.sweep(t, rt) },
			"restock":       func(rt *rapid.T) { m.restock(t, rt) },
			"restock again": func(rt *rapid.T) { m.restockAgain(t, rt) },
			"":              func(rt *rapid.T) { m.compare(t, rt) },
		})
		m.sweep(t, rt)
		m.compareLedgers(t, rt)
	})
}

func (m *till) shop(rt *rapid.T) *shop {
	return m.shops[rapid.IntRange(0, len(m.shops)-1).Draw(rt, "replica")]
}

func (m *till) skus() []string { return slices.Sorted(maps.Keys(m.rows)) }

func (m *till) some(rt *rapid.T) *tillOrder {
	if len(m.orders) == 0 {
		rt.Skip("no orders yet")
	}
	return m.orders[rapid.IntRange(0, len(m.orders)-1).Draw(rt, "order")]
}

func (m *till) draw(rt *rapid.T) wish {
	var w wish
	for _, sku := range rapid.SliceOfNDistinct(rapid.SampledFrom(m.skus()), 1, 3, rapid.ID).Draw(rt, "skus") {
		w.Lines = append(w.Lines, wishLine{sku, rapid.Int64Range(1, 6).Draw(rt, "quantity")})
	}
	if rapid.Bool().Draw(rt, "held") {
		w.HoldSeconds = rapid.Int64Range(100, order.MaxHold).Draw(rt, "seconds")
	}
	return w
}

// take takes the units, or returns false if there are not enough.
func (m *till) take(w wish) bool {
	for _, l := range w.Lines {
		if m.rows[l.SKU].left < l.Quantity {
			return false
		}
	}
	for _, l := range w.Lines {
		m.move(l, -1)
	}
	return true
}

func (m *till) move(l wishLine, sign int64) {
	row := m.rows[l.SKU]
	row.left += sign * l.Quantity
	row.sold -= sign * l.Quantity
	row.version++
}

func (m *till) ask(t *testing.T, rt *rapid.T, key string, w wish) (*httptest.ResponseRecorder, orderBody) {
	body, err := json.Marshal(w)
	if err != nil {
		rt.Fatal(err)
	}
	rec := m.shop(rt).order(t, m.client, key, string(body))
	return rec, m.read(rt, rec)
}

// read reads the order that an answer holds, if it is not a problem.
func (m *till) read(rt *rapid.T, rec *httptest.ResponseRecorder) (o orderBody) {
	if rec.Code >= http.StatusBadRequest {
		return o
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil {
		rt.Fatalf("%s: %v", rec.Body, err)
	}
	return o
}

func (m *till) place(t *testing.T, rt *rapid.T) {
	o := &tillOrder{wish: m.draw(rt), status: "confirmed"}
	if o.HoldSeconds > 0 {
		o.status = "held"
	}
	if rapid.Bool().Draw(rt, "with a key") {
		m.keys++
		o.key = strconv.Itoa(m.keys)
	}
	fits := m.take(o.wish)
	// For a moment a replica may refuse as sold out what has just been returned.
	rec, body := m.ask(t, rt, o.key, o.wish)
	for deadline := time.Now().Add(5 * time.Second); fits && rec.Code == http.StatusConflict && time.Now().Before(deadline); {
		rec, body = m.ask(t, rt, o.key, o.wish)
	}
	if !fits {
		if rec.Code != http.StatusConflict {
			rt.Fatalf("%+v is answered %d %s, want it sold out", o.wish, rec.Code, rec.Body)
		}
		return
	}
	if rec.Code != http.StatusCreated || rec.Header().Get("Idempotent-Replayed") != "" || body.Status != o.status ||
		(body.HoldExpiresAt != nil) != (o.HoldSeconds > 0) || len(body.Lines) != len(o.Lines) {
		rt.Fatalf("%+v is answered %d %s, want it %s", o.wish, rec.Code, rec.Body, o.status)
	}
	for _, l := range body.Lines {
		row := m.rows[l.SKU]
		if !slices.Contains(o.Lines, wishLine{l.SKU, l.Quantity}) || l.Remaining != row.left || l.Version != row.version {
			rt.Fatalf("%+v is answered %s, want %+v of %s", o.wish, rec.Body, *row, l.SKU)
		}
	}
	o.first = body
	m.orders = append(m.orders, o)
}

func (m *till) replay(t *testing.T, rt *rapid.T) {
	o := m.some(rt)
	if o.key == "" {
		rt.Skip("it has no key")
	}
	if rapid.Bool().Draw(rt, "the same") {
		rec, body := m.ask(t, rt, o.key, o.wish)
		if rec.Code != http.StatusCreated || rec.Header().Get("Idempotent-Replayed") != "true" || !reflect.DeepEqual(body, o.first) {
			rt.Fatalf("the replay is answered %d %s, want %+v", rec.Code, rec.Body, o.first)
		}
		return
	}
	other := o.wish
	other.HoldSeconds = (other.HoldSeconds + 1) % order.MaxHold
	if rec, _ := m.ask(t, rt, o.key, other); rec.Code != http.StatusUnprocessableEntity {
		rt.Fatalf("the key for another order is answered %d %s, want 422", rec.Code, rec.Body)
	}
}

// post sends an action on an order and compares the status of the answer and, if it
// succeeds, of the order.
func (m *till) post(t *testing.T, rt *rapid.T, o *tillOrder, verb string, want int) {
	rec := m.shop(rt).as(t, m.client, http.MethodPost, "/v1/orders/"+o.first.ID+"/"+verb)
	if rec.Code != want || want == http.StatusOK && m.read(rt, rec).Status != o.status {
		rt.Fatalf("%s is answered %d %s, want %d and %s", verb, rec.Code, rec.Body, want, o.status)
	}
}

func (m *till) confirm(t *testing.T, rt *rapid.T) {
	o := m.some(rt)
	want := http.StatusOK
	switch o.status {
	case "held":
		o.status = "confirmed"
	case "expired", "cancelled":
		want = http.StatusConflict
	}
	m.post(t, rt, o, "confirm", want)
}

func (m *till) cancel(t *testing.T, rt *rapid.T) {
	o := m.some(rt)
	switch o.status {
	case "held", "confirmed":
		o.status = "cancelled"
		m.giveBack(o)
	case "expired":
		m.giveBack(o)
	}
	m.post(t, rt, o, "cancel", http.StatusOK)
}

func (m *till) giveBack(o *tillOrder) {
	if o.swept {
		return
	}
	o.swept = true
	for _, l := range o.Lines {
		m.move(l, +1)
	}
}

// expire makes a hold expire.
func (m *till) expire(t *testing.T, rt *rapid.T) {
	o := m.some(rt)
	if o.status != "held" {
		rt.Skip("it is not held")
	}
	o.status = "expired"
	var until time.Time
	err := m.shops[0].db.QueryRow(t.Context(), `UPDATE orders SET hold_expires_at = now() - interval '1 hour'
		WHERE id = $1 RETURNING hold_expires_at`, o.first.ID).Scan(&until)
	if err != nil {
		rt.Fatal(err)
	}
	until = until.UTC()
	o.first.HoldExpiresAt = &until
}

func (m *till) sweep(t *testing.T, rt *rapid.T) {
	want := 0
	for _, o := range m.orders {
		if o.status == "expired" && !o.swept {
			want++
			m.giveBack(o)
		}
	}
	if n, err := m.shop(rt).Sweep(t.Context()); n != want || err != nil {
		rt.Fatalf("Sweep = %d, %v; want %d", n, err, want)
	}
}

func (m *till) restock(t *testing.T, rt *rapid.T) {
	sku, units := rapid.SampledFrom(m.skus()).Draw(rt, "sku"), rapid.Int64Range(1, 10).Draw(rt, "units")
	m.rows[sku].left += units
	m.rows[sku].version++
	r := tillRestock{path: "/v1/stock/" + sku + "/adjustments", body: fmt.Sprintf(`{"delta":%d,"reason":"restock"}`, units)}
	if rapid.Bool().Draw(rt, "with a key") {
		r.key = strconv.Itoa(len(m.restocks)) // may be the same as that of an order: the two are independent
	}
	rec := m.shop(rt).post(t, m.client, r.key, r.path, r.body)
	if rec.Code != http.StatusOK || rec.Header().Get("Idempotent-Replayed") != "" {
		rt.Fatalf("restock is answered %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if r.answer = rec.Body.String(); r.key != "" {
		m.restocks = append(m.restocks, r)
	}
}

func (m *till) restockAgain(t *testing.T, rt *rapid.T) {
	if len(m.restocks) == 0 {
		rt.Skip("no restocks yet")
	}
	r := m.restocks[rapid.IntRange(0, len(m.restocks)-1).Draw(rt, "restock")]
	rec := m.shop(rt).post(t, m.client, r.key, r.path, r.body)
	if rec.Code != http.StatusOK || rec.Header().Get("Idempotent-Replayed") != "true" || rec.Body.String() != r.answer {
		rt.Fatalf("restock again is answered %d %v %s, want %s replayed", rec.Code, rec.Header(), rec.Body, r.answer)
	}
}

// compare compares everything that is visible: all levels and all orders.
func (m *till) compare(t *testing.T, rt *rapid.T) {
	s := m.shop(rt)
	for sku, row := range m.rows {
		if i := s.mustGet(t, sku); i.OnHand != row.left || i.Sold != row.sold || i.Version != row.version {
			rt.Fatalf("%s is %+v, want %+v", sku, i, *row)
		}
	}
	for _, o := range m.orders {
		rec := s.as(t, m.client, http.MethodGet, "/v1/orders/"+o.first.ID)
		got, want := m.read(rt, rec), o.first
		if want.Status = o.status; o.status == "confirmed" || o.status == "cancelled" {
			want.HoldExpiresAt = nil
		}
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("GET = %s, want %+v", rec.Body, want)
		}
	}
}

// compareLedgers checks that each SKU's movements add up, and that Redis gets the latest
// level.
func (m *till) compareLedgers(t *testing.T, rt *rapid.T) {
	for sku, row := range m.rows {
		for deadline := time.Now().Add(5 * time.Second); ; {
			levels, err := m.shops[0].Cache.Levels(t.Context(), []string{sku})
			if err == nil && levels[sku].OnHand == row.left && levels[sku].Version == row.version {
				break
			}
			if time.Now().After(deadline) {
				rt.Fatalf("%s in Redis is %+v, %v; want %+v", sku, levels[sku], err, *row)
			}
		}
		m.shops[0].mustHave(t, sku, row.left, row.sold)
	}
	if t.Failed() {
		rt.Fatal("the ledger is wrong")
	}
}
