package order

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON accepts only bodies that can be understood in one way. The standard library
// takes the last of two equal names, matches names in any case and skips nulls; each of
// these has been used to get an order past a check.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if err := checkJSON(data); err != nil {
			return err
		}
		return json.Unmarshal(data, v)
	},
}

// maxDigits is enough for any 64-bit integer with its sign. A number of no more than that
// which is still too large is refused by the field's own limit.
const maxDigits = 20

// checkJSON finds what is wrong with a body before it is decoded into Go types: syntax
// errors, duplicate names, nulls, and numbers that are not plain integers (no field of this
// API is a fraction). The error begins with the field's path.
func checkJSON(data []byte) error {
	dec := jsontext.NewDecoder(strings.NewReader(string(data)))
	for {
		end := dec.InputOffset()
		whole := end > 0 && dec.StackDepth() == 0 // the body was read to the end of its value
		kind := dec.PeekKind()
		token, err := dec.ReadToken()
		switch {
		case whole && errors.Is(err, io.EOF):
			return nil
		case whole && err == nil:
			return fmt.Errorf("body: is not JSON at byte %d", end)
		case err != nil:
			return syntaxError(err, dec)
		case kind == 'n':
			return fmt.Errorf("%s: null is not allowed", fieldPath(dec.StackPointer()))
		case kind == '0' && strings.ContainsAny(token.String(), ".eE"):
			return fmt.Errorf("%s: must be an integer, without fraction or exponent", fieldPath(dec.StackPointer()))
		case kind == '0' && len(token.String()) > maxDigits:
			return fmt.Errorf("%s: has too many digits", fieldPath(dec.StackPointer()))
		}
	}
}

func syntaxError(err error, dec *jsontext.Decoder) error {
	syntax, located := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		at := dec.StackPointer()
		if located {
			at = syntax.JSONPointer
		}
		return fmt.Errorf("%s: appears twice", fieldPath(at))
	case located:
		return fmt.Errorf("%s: is not JSON at byte %d", fieldPath(syntax.JSONPointer), syntax.ByteOffset)
	default:
		return fmt.Errorf("body: is not JSON")
	}
}

// fieldPath formats a JSON pointer the way the framework names fields: /lines/0/sku as
// body.lines[0].sku.
func fieldPath(p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString("body")
	for token := range p.Tokens() {
		if isIndex(token) {
			fmt.Fprintf(&b, "[%s]", token)
			continue
		}
		fmt.Fprintf(&b, ".%s", token)
	}
	return b.String()
}

func isIndex(token string) bool {
	return token != "" && strings.Trim(token, "0123456789") == ""
}
