package order

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderd/internal/stock"
)

// onlyJSON refuses bodies that are not declared as JSON: a form that a browser was tricked
// into posting is not. Without a body the header is not needed, unless the browser says
// that the request comes from another site.
func onlyJSON(next http.Handler) http.Handler {
	sites := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost || r.Method == http.MethodPut {
			contentType := r.Header.Get("Content-Type")
			bodiless := r.ContentLength == 0 && contentType == "" && sites.Check(r) == nil
			if !bodiless && !isJSON(contentType) {
				writeProblem(w, r, frameworkAnswers[http.StatusUnsupportedMediaType].problem("header.Content-Type: must be application/json"))
				return
			}
			if slices.ContainsFunc(r.Header["Content-Encoding"], func(coding string) bool { return !strings.EqualFold(coding, "identity") }) {
				w.Header().Set("Accept-Encoding", "identity")
				writeProblem(w, r, frameworkAnswers[http.StatusUnsupportedMediaType].problem("header.Content-Encoding: must be absent"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// refuseUnheeded refuses requests with headers that ask for something no route does. To ignore one
// would be to do more than was asked: to set a level that has changed since, or to do twice what
// has a key.
func refuseUnheeded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var unheeded []string
		switch r.Method {
		case http.MethodPut, http.MethodDelete:
			unheeded = []string{"If-Match", "If-None-Match", "If-Unmodified-Since", stock.KeyHeader}
		case http.MethodPost:
			unheeded = []string{"If-Match", "If-None-Match", "If-Unmodified-Since"}
		}
		for _, name := range unheeded {
			if len(r.Header[name]) > 0 {
				wrong := &huma.ErrorDetail{Location: "header." + name, Message: "is not supported here"}
				writeProblem(w, r, problemFrom(http.StatusUnprocessableEntity, "", []error{wrong}))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// forFramework prepares requests for the framework, which compares media types letter by letter,
// panics on some forms of Accept, and limits the time for a body even where there is none (see
// arrived). Bodies are JSON in both directions, whatever a client would accept.
func forFramework(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context()) // a copy: its header is replaced
		r.Header = r.Header.Clone()
		r.Header.Del("Accept")
		if r.Header.Get("Content-Type") != "" { // see onlyJSON
			r.Header.Set("Content-Type", "application/json")
		}
		if r.ContentLength == 0 {
			w = arrived{w}
		}
		next.ServeHTTP(w, r)
	})
}

// plainQuery refuses a query string that cannot be read in one way: the framework would go by
// what it understands of it, and answer another question.
func plainQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			if wrong := wrongQuery(r.URL.RawQuery); wrong != nil {
				writeProblem(w, r, problemFrom(http.StatusUnprocessableEntity, "", []error{wrong}))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func wrongQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return &huma.ErrorDetail{Location: "query", Message: "is not a query string"}
	}
	for name, values := range query {
		if len(values) > 1 {
			return &huma.ErrorDetail{Location: "query." + name, Message: "appears twice"}
		}
	}
	for part := range strings.SplitSeq(raw, "&") {
		if part != "" && !strings.Contains(part, "=") { // the framework may take it for "true"
			return &huma.ErrorDetail{Location: "query." + part, Message: "has no value"}
		}
	}
	return nil
}

func isJSON(contentType string) bool {
	const wanted = "application/json"
	if contentType == wanted {
		return true // nearly all; there is nothing to parse
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == wanted
}
