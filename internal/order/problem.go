package order

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// An answer is how a failed request is answered: the HTTP status, the code by which a
// program recognizes it, and whether the same request may succeed later.
type answer struct {
	status    int
	code      string
	title     string
	retryable bool
}

// answers maps errors to HTTP, first match first. It is the only such table.
var answers = []struct {
	err error
	answer
}{
	{stock.ErrInvalid, answer{http.StatusUnprocessableEntity, "invalid", "The request is invalid", false}},
	{stock.ErrUnknownSKU, answer{http.StatusNotFound, "not_found", "There is no such SKU", false}},
	{ErrNotFound, answer{http.StatusNotFound, "not_found", "There is no such order", false}},
	{stock.ErrShort, answer{http.StatusConflict, "sold_out", "Not enough is left", false}},
	{ErrKeyReused, answer{http.StatusUnprocessableEntity, "idempotency_mismatch", "The Idempotency-Key belongs to another order", false}},
	{stock.ErrKeyReused, answer{http.StatusUnprocessableEntity, "idempotency_mismatch", "The Idempotency-Key belongs to another adjustment", false}},
	{ErrInFlight, answer{http.StatusConflict, "idempotency_in_flight", "An order with this Idempotency-Key is being placed", true}},
	{ErrHoldExpired, answer{http.StatusConflict, "hold_expired", "The order was not confirmed in time", false}},
	{ErrNotHeld, answer{http.StatusConflict, "not_held", "The order has been cancelled", false}},
	{errUnkeyed, answer{http.StatusServiceUnavailable, "outcome_unknown", "The order may or may not have been placed: look before you try again", false}},
	{ErrUnknown, answer{http.StatusServiceUnavailable, "outcome_unknown", "The order may or may not have been placed", true}},
	{stock.ErrUnknown, answer{http.StatusServiceUnavailable, "outcome_unknown", "The change may or may not have been made: look before you try again", false}},
	{ErrLeaseLost, answer{http.StatusServiceUnavailable, "lease_lost", "The lock's lease ended before the order was written", true}},
	{locking.ErrLost, answer{http.StatusServiceUnavailable, "lease_lost", "The lock's lease ended before the order was written", true}},
	{locking.ErrBusy, answer{http.StatusServiceUnavailable, "busy", "The lock was not obtained in time, or too many requests are in flight", true}},
	{locking.ErrUnavailable, answer{http.StatusServiceUnavailable, "unavailable", "The lock service cannot answer", true}},
	{errUnsupported, answer{http.StatusNotImplemented, "unsupported", "This lock mode cannot do that", false}},
	{stock.ErrUnavailable, answer{http.StatusServiceUnavailable, "unavailable", "Postgres or Redis cannot answer now", true}},
}

// frameworkAnswers are the answers, by status, to requests that no handler has seen.
var frameworkAnswers = map[int]answer{
	http.StatusBadRequest:            {http.StatusBadRequest, "malformed", "The request cannot be read", false},
	http.StatusUnauthorized:          {http.StatusUnauthorized, "unauthorized", "The API key is missing or not valid", false},
	http.StatusForbidden:             {http.StatusForbidden, "forbidden", "The client may not do this", false},
	http.StatusNotFound:              {http.StatusNotFound, "not_found", "There is no such route", false},
	http.StatusMethodNotAllowed:      {http.StatusMethodNotAllowed, "method_not_allowed", "The method is not allowed here", false},
	http.StatusRequestTimeout:        {http.StatusRequestTimeout, "timeout", "The body did not arrive in time", true},
	http.StatusRequestEntityTooLarge: {http.StatusRequestEntityTooLarge, "too_large", "The body is too large", false},
	http.StatusUnsupportedMediaType:  {http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be application/json", false},
	http.StatusUnprocessableEntity:   {http.StatusUnprocessableEntity, "invalid", "The request is invalid", false},
	http.StatusTooManyRequests:       {http.StatusTooManyRequests, "rate_limited", "Too many requests", true},
}

var internalAnswer = answer{http.StatusInternalServerError, "internal", "Internal error", false}

func answerTo(err error) answer {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.answer
		}
	}
	return internalAnswer
}

// A Problem is the body of every answer that is not a success: RFC 9457 with
// a code, and with what a client needs to react without reading prose.
type Problem struct {
	Type      string       `json:"type" doc:"always about:blank: code tells the problem"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail,omitempty"`
	Code      string       `json:"code" doc:"stable name of the problem" example:"sold_out"`
	Retryable bool         `json:"retryable" doc:"whether the same request may succeed later"`
	Errors    []FieldError `json:"errors,omitempty" nullable:"false" doc:"which fields are wrong: the first 20"`
	SKU       string       `json:"sku,omitempty" doc:"the SKU that is unknown or short"`
	Requested *int64       `json:"requested,omitempty" doc:"units asked for"`
	Remaining *int64       `json:"remaining,omitempty" doc:"units left"`
	Trace     string       `json:"trace_id,omitempty" doc:"the request's trace, by the traceparent that it came with or as orderd has begun it"`
}

// A FieldError says what is wrong with one field.
type FieldError struct {
	Location string `json:"location" example:"body.lines[0].quantity"`
	Message  string `json:"message"`
}

// Error is the problem in a line of text.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of a problem in JSON, whatever was negotiated.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func (a answer) problem(detail string) *Problem {
	return &Problem{
		Type: "about:blank", Title: a.title, Status: a.status, Code: a.code, Retryable: a.retryable, Detail: detail,
	}
}

// problemOf returns the answer to a handler's error. Internal details of the error are only
// logged.
func problemOf(err error) *Problem {
	p := answerTo(err).problem("")
	var short *stock.ShortError
	var unknown *stock.UnknownSKUError
	var invalid *stock.InvalidError
	switch {
	case errors.As(err, &short):
		p.Detail = short.Error()
		p.SKU, p.Requested, p.Remaining = short.SKU, &short.Requested, &short.Remaining
	case errors.As(err, &unknown):
		p.Detail, p.SKU = unknown.Error(), unknown.SKU
	case errors.As(err, &invalid):
		p.Detail = invalid.Error()
		p.Errors = []FieldError{{invalid.Field, invalid.Problem}}
	}
	return p
}

// What a problem says of wrong fields is bounded: a body can have thousands of them, with long
// names.
const (
	maxFieldErrors = 20
	maxFieldText   = 200 // bytes of a location, and of a message
)

func shorten(text string) string {
	if len(text) <= maxFieldText {
		return text
	}
	return strings.ToValidUTF8(text[:maxFieldText], "") + "…"
}

// problemFrom is the answer to a request that failed before its handler.
// Values are not echoed: they may be secret, long or both.
func problemFrom(status int, detail string, errs []error) *Problem {
	a, ok := frameworkAnswers[status]
	if !ok {
		a = internalAnswer
		a.status = status
	}
	p := a.problem(detail)
	for _, err := range errs[:min(len(errs), maxFieldErrors)] {
		f := FieldError{Location: "request", Message: err.Error()}
		var d huma.ErrorDetailer // is no error itself
		if errors.As(err, &d) {
			f = FieldError{d.ErrorDetail().Location, d.ErrorDetail().Message}
		}
		// strictJSON knows the field's path better than the framework that called it, and begins with it.
		if place, message, ok := strings.Cut(f.Message, ": "); ok && strings.HasPrefix(place, "body") {
			f = FieldError{place, message}
		}
		p.Errors = append(p.Errors, FieldError{shorten(f.Location), shorten(f.Message)})
	}
	if status == http.StatusBadRequest && len(errs) == 0 { // there is no body: the framework says so only in detail
		p.Errors = []FieldError{{"body", detail}}
	}
	if status == http.StatusRequestEntityTooLarge {
		p.Errors = []FieldError{{"body", "is larger than 16 KiB"}}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	return p
}

// The framework keeps these settings in package variables, which all APIs of the process
// share, so they are set once, before any is made.
func init() {
	huma.ValidateStrictCasing = true // "Quantity" is not "quantity": no field can be there twice
	huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
		return problemFrom(status, detail, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, detail string, errs ...error) huma.StatusError {
		p := problemFrom(status, detail, errs)
		switch {
		case detail == unreadBody: // the client's fault, though the framework takes it for the server's
			p = problemFrom(http.StatusBadRequest, "ended, or broke, before it was whole", nil)
			ctx.SetHeader("Connection", "close")
		case status == http.StatusInternalServerError && len(errs) == 1:
			// The framework passes on the error of a handler this way.
			p = problemOf(errs[0])
			recordOf(ctx.Context()).err = errs[0]
		}
		recordOf(ctx.Context()).code = p.Code
		if p.Retryable {
			ctx.SetHeader("Retry-After", retryAfter())
		}
		p.Trace, _ = traceOf(ctx.Context())
		return p
	}
}

// unreadBody is the framework's message for a body that could not be read.
const unreadBody = "cannot read request body"

// retryAfter returns, in seconds, when a client may retry: at random, so that not all do so
// at once.
func retryAfter() string { return strconv.Itoa(1 + rand.IntN(3)) }

// writeProblem answers a request that no handler of the framework sees. It keeps a
// Retry-After that is already set.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	recordOf(r.Context()).code = p.Code
	p.Trace, _ = traceOf(r.Context())
	if p.Retryable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", retryAfter())
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if it fails
}
