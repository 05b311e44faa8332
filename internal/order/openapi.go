package order

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// apiConfig is how the framework reads requests and writes answers.
func apiConfig(version string) huma.Config {
	config := huma.DefaultConfig("orderd", version)
	config.Info.Description = "Takes orders. With the default guard it never sells what is not there."
	config.Servers = []*huma.Server{{URL: "/", Description: "where this document is from"}}
	config.Tags = []*huma.Tag{
		{Name: "orders", Description: "Placing orders, and what becomes of them"},
		{Name: "stock", Description: "How much is left, and each SKU's ledger"},
		{Name: "locks", Description: "Who holds a SKU's lock"},
	}
	config.CreateHooks = nil // they add a $schema member to every body
	config.DocsPath = ""     // the built-in pages load their scripts from the network
	config.SchemasPath = ""
	config.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	config.RejectUnknownQueryParameters = true
	return config
}

// keyScheme is the name of the API's keys in its OpenAPI document.
const keyScheme = "key"

// describe completes the OpenAPI document once all routes are in it: whether they need a
// key, the answers 401, 403 and 429, and the headers of refusals.
func describe(api *huma.OpenAPI, needsKey bool) {
	if api.Components.SecuritySchemes == nil {
		api.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	api.Components.SecuritySchemes[keyScheme] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", Description: "An API key of orderd's, where it runs with any.",
	}
	security := []map[string][]string{{keyScheme: {}}}
	if !needsKey {
		security = append(security, map[string][]string{}) // or no key
	}
	problem := map[string]*huma.MediaType{
		(&Problem{}).ContentType(""): {Schema: api.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")},
	}
	requested := map[*huma.Schema]bool{} // the schemas of what clients send
	for path, item := range api.Paths {
		for method, operation := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if operation == nil {
				continue
			}
			operation.Security = security
			if body := operation.RequestBody; body != nil {
				addSchemas(requested, api.Components.Schemas, body.Content["application/json"].Schema)
			}
			refusals := []int{http.StatusUnauthorized, http.StatusTooManyRequests}
			if policies[method+" "+path] == admins {
				refusals = append(refusals, http.StatusForbidden)
			}
			for _, status := range refusals {
				operation.Responses[strconv.Itoa(status)] = &huma.Response{Description: frameworkAnswers[status].title, Content: problem}
			}
			for _, status := range []int{408, 409, 429, 503} {
				describeHeader(operation.Responses[strconv.Itoa(status)], "Retry-After", "seconds; of a problem that is retryable")
			}
			describeHeader(operation.Responses["401"], "WWW-Authenticate", "Bearer")
			for _, parameter := range operation.Parameters {
				dropPatternDescriptions(parameter.Schema)
			}
		}
	}
	for _, schema := range api.Components.Schemas.Map() {
		dropPatternDescriptions(schema)
		if !requested[schema] { // answers may get new members, and clients have to ignore what they do not know
			schema.AdditionalProperties = nil
		}
	}
}

// addSchemas adds a schema, and those that it refers to, to a set of schemas.
func addSchemas(set map[*huma.Schema]bool, all huma.Registry, schema *huma.Schema) {
	if schema == nil {
		return
	}
	if schema.Ref != "" {
		schema = all.SchemaFromRef(schema.Ref)
	}
	set[schema] = true
	addSchemas(set, all, schema.Items)
	for _, property := range schema.Properties {
		addSchemas(set, all, property)
	}
}

// describeHeader adds a header to an answer, if the operation has it.
func describeHeader(answer *huma.Response, name, text string) {
	if answer != nil {
		answer.Headers = map[string]*huma.Param{name: {Description: text, Schema: &huma.Schema{Type: huma.TypeString}}}
	}
}

// dropPatternDescriptions removes from a schema the one keyword that only the framework
// knows, and that linters and client generators reject. The framework has made its messages
// from it by now.
func dropPatternDescriptions(schema *huma.Schema) {
	schema.PatternDescription = ""
	for _, property := range schema.Properties {
		dropPatternDescriptions(property)
	}
}
