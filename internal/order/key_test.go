package order

import (
	"errors"
	"strings"
	"testing"

	"orderd/internal/stock"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("k", 128)
	for name, row := range map[string]struct {
		values []string
		want   string
		good   bool
	}{
		"none":                     {nil, "", true},
		"bare":                     {[]string{"a-1"}, "a-1", true},
		"quoted":                   {[]string{`"a-1"`}, "a-1", true},
		"quoted with escapes":      {[]string{`"a\"\\1"`}, `a"\1`, true},
		"blanks around it":         {[]string{"\t a-1 "}, "a-1", true},
		"the longest":              {[]string{longest}, longest, true},
		"the longest, quoted":      {[]string{`"` + longest + `"`}, longest, true},
		"one too long":             {[]string{longest + "k"}, "", false},
		"empty":                    {[]string{""}, "", false},
		"empty, quoted":            {[]string{`""`}, "", false},
		"two":                      {[]string{"a", "b"}, "", false},
		"with a blank":             {[]string{"a b"}, "", false},
		"with a blank, quoted":     {[]string{`"a b"`}, "", false},
		"with a line end":          {[]string{"a\nb"}, "", false},
		"with a NUL":               {[]string{"a\x00b"}, "", false},
		"with DEL":                 {[]string{"a\x7f"}, "", false},
		"beyond ASCII":             {[]string{"ä"}, "", false},
		"quote without its end":    {[]string{`"a`}, "", false},
		"quote alone":              {[]string{`"`}, "", false},
		"escape of something else": {[]string{`"a\n"`}, "", false},
		"escape at the end":        {[]string{`"a\`}, "", false},
		"more behind the string":   {[]string{`"a";b=1`}, "", false},
	} {
		got, err := parseKey(row.values)
		if got != row.want || (err == nil) != row.good {
			t.Errorf("%s: parseKey(%q) = %q, %v", name, row.values, got, err)
		}
		var invalid *stock.InvalidError
		if err != nil && (!errors.As(err, &invalid) || invalid.Field != "header.Idempotency-Key") {
			t.Errorf("%s: %v does not name the header", name, err)
		}
	}
}
