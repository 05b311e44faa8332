package order_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"orderd/internal/locking"
)

// documented fails the test if handler's answer is not as its own OpenAPI document says: in
// status, type, headers or body. So every test that makes a request tests the document too.
func documented(t *testing.T, handler http.Handler) http.Handler {
	t.Helper()
	router := routesOf(t, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		rec, ok := w.(*httptest.ResponseRecorder)
		if !ok {
			t.Errorf("%s %s: its answer was not recorded", r.Method, r.URL)
			return
		}
		route, parameters, err := router.FindRoute(r)
		if err != nil { // not part of the API
			if strings.HasPrefix(r.URL.Path, "/v1/") && rec.Code < 400 && r.Method != http.MethodHead {
				t.Errorf("%s %s is answered %d, and /openapi.json does not have it: %v", r.Method, r.URL, rec.Code, err)
			}
			return
		}
		answer := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route},
			Status:                 rec.Code, Header: rec.Header(),
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}
		answer.SetBodyBytes(rec.Body.Bytes())
		if err := openapi3filter.ValidateResponse(r.Context(), answer); err != nil {
			t.Errorf("%s %s is answered %d %s, and /openapi.json says otherwise: %v", r.Method, r.URL, rec.Code, rec.Body, err)
		}
	})
}

// routesOf reads and validates the handler's OpenAPI document. Clients are told to expect new
// members in answers; to the tests one that is not in the document is a mistake.
func routesOf(t *testing.T, handler http.Handler) routers.Router {
	t.Helper()
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", http.NoBody))
	document, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	if err != nil {
		t.Fatalf("/openapi.json: %v", err)
	}
	for name, schema := range document.Components.Schemas {
		sent := slices.Contains([]string{"NewOrder", "NewOrderLine", "EmptyBody", "StockSetting", "StockAdjustment"}, name)
		if open := schema.Value.AdditionalProperties.Has == nil; open == sent {
			t.Errorf("/openapi.json: may %s have further members: %v", name, open)
		}
		schema.Value.AdditionalProperties.Has = new(bool)
	}
	router, err := legacy.NewRouter(document) // validates it
	if err != nil {
		t.Fatalf("/openapi.json: %v", err)
	}
	return router
}

func TestOpenAPI_TellsWhoMayAskAndHowTheyAreAnswered(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	for _, keys := range []bool{false, true} {
		ways := 2 // with a key, or with nothing
		if keys {
			s.guard(t, nil)
			ways = 1
		}
		var document struct {
			OpenAPI string
			Paths   map[string]map[string]struct {
				Security  []map[string][]string
				Responses map[string]struct{ Content map[string]any }
			}
			Components struct{ SecuritySchemes map[string]any }
		}
		if err := json.Unmarshal(s.send(t, http.MethodGet, "/openapi.json", "").Body.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(document.OpenAPI, "3.1") || document.Components.SecuritySchemes["key"] == nil {
			t.Errorf("it is of version %q, and does not tell what a key is: %v", document.OpenAPI, document.Components)
		}
		for path, methods := range document.Paths {
			for method, operation := range methods {
				if len(operation.Security) != ways || operation.Security[0]["key"] == nil {
					t.Errorf("%s %s, with keys %v: in need of %v", method, path, keys, operation.Security)
				}
				if _, ok := operation.Responses["default"]; ok {
					t.Errorf("%s %s does not tell how it is answered", method, path)
				}
				for _, status := range []string{"401", "422", "429", "500", "503"} {
					if operation.Responses[status].Content["application/problem+json"] == nil {
						t.Errorf("%s %s does not tell what a %s looks like", method, path, status)
					}
				}
				for status, response := range operation.Responses {
					if len(response.Content) == 0 {
						t.Errorf("%s %s does not tell what a %s looks like", method, path, status)
					}
				}
			}
		}
	}
}
