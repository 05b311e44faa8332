package stock_test

import (
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
		got, err := stock.ParseKey(row.values)
		if got != row.want || (err == nil) != row.good {
			t.Errorf("%s: Parse(%q) = %q, %v", name, row.values, got, err)
		}
	}
}

// A key is 1 to 128 visible characters, and means the same bare and quoted.
func FuzzKey(f *testing.F) {
	for _, value := range []string{
		"", "a-1", `"a-1"`, `"a\"\\1"`, " a ", "\ta", `"`, `""`, `"\`, `"a"b`, `"a\n"`, "a b", "a\x00", "ä", "a\r\nb: c",
		strings.Repeat("k", stock.MaxKey), strings.Repeat("k", stock.MaxKey+1), `"` + strings.Repeat(`\\`, stock.MaxKey) + `"`, "sha256 AAAA",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, err := stock.ParseKey([]string{value})
		if err != nil {
			if key != "" {
				t.Fatalf("Parse(%q) = %q, %v", value, key, err)
			}
			return
		}
		if key == "" || len(key) > stock.MaxKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Fatalf("Parse(%q) = %q", value, key)
		}
		if stored := stock.StoredKey("ann", key); len(stored) != len("sha256 ")+44 || strings.HasPrefix(key, "sha256 ") {
			t.Fatalf("%q is stored as %q", key, stored)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := stock.ParseKey([]string{quoted}); err != nil || again != key {
			t.Fatalf("Parse(%q) = %q, %v; want %q", quoted, again, err, key)
		}
	})
}

func TestStoredKey_IsEachClientsOwn(t *testing.T) {
	t.Parallel()
	// Computed independently: printf 'ann\nk' | openssl dgst -sha256 -binary | base64
	const want = "sha256 sTUk/QwU1OEZjflv2mkmcgmdcOj2p5qOdkcoZm86rI8="
	if got := stock.StoredKey("ann", "k"); got != want {
		t.Errorf("Stored = %q, want %q: it is in databases", got, want)
	}
	if stock.StoredKey("ann", "k") == stock.StoredKey("bob", "k") {
		t.Error("the same key of two clients is stored alike: it tells that it is the same")
	}
}
