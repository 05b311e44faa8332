package access_test

import (
	"fmt"
	"strings"
	"testing"

	"orderd/internal/access"
)

func mustMake(t *testing.T, name string, role access.Role) (key, line string) {
	t.Helper()
	key, line, err := access.NewKey(access.Client{Name: name, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return key, line
}

func TestKeys_LetTheirClientsInAndNobodyElse(t *testing.T) {
	t.Parallel()
	var keys access.Keys
	key, line := mustMake(t, "shop", access.RoleBuyer)
	if _, ok := keys.ClientOf(key); ok {
		t.Error("a client was let in before there was a key")
	}
	admin, adminLine := mustMake(t, "ops", access.RoleAdmin)
	if err := keys.Replace(strings.NewReader("# the shop\n\n" + line + "\r\n" + adminLine)); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]access.Client{
		key: {Name: "shop", Role: access.RoleBuyer}, admin: {Name: "ops", Role: access.RoleAdmin},
	} {
		if got, ok := keys.ClientOf(key); !ok || got != want {
			t.Errorf("the key of %v is %v's, %v", want, got, ok)
		}
	}
	hash := line[strings.LastIndex(line, " ")+1:]
	for _, wrong := range []string{"", hash, key + "x", key[:len(key)-1], strings.ToLower(key), "shop", line} {
		if got, ok := keys.ClientOf(wrong); ok {
			t.Errorf("%q let %v in", wrong, got)
		}
	}
	if strings.Contains(line, key) {
		t.Error("the line holds the key itself")
	}
}

func TestKeys_TwoOfAClientAreForRotation(t *testing.T) {
	t.Parallel()
	var keys access.Keys
	first, firstLine := mustMake(t, "shop", access.RoleBuyer)
	second, secondLine := mustMake(t, "shop", access.RoleBuyer)
	for _, step := range []struct {
		lines         []string
		first, second bool
	}{
		{[]string{firstLine}, true, false},
		{[]string{firstLine, secondLine}, true, true},
		{[]string{secondLine}, false, true},
	} {
		if err := keys.Replace(strings.NewReader(strings.Join(step.lines, "\n"))); err != nil {
			t.Fatal(err)
		}
		_, gotFirst := keys.ClientOf(first)
		_, gotSecond := keys.ClientOf(second)
		if gotFirst != step.first || gotSecond != step.second {
			t.Errorf("with %d keys the first is let in: %v, the second: %v", len(step.lines), gotFirst, gotSecond)
		}
	}
}

func TestKeys_BadLinesAreToldByNumberAndChangeNothing(t *testing.T) {
	t.Parallel()
	var keys access.Keys
	key, good := mustMake(t, "shop", access.RoleBuyer)
	if err := keys.Replace(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	hash := good[strings.LastIndex(good, " ")+1:]
	_, second := mustMake(t, "shop", access.RoleBuyer)
	_, third := mustMake(t, "shop", access.RoleBuyer)
	_, other := mustMake(t, "shop", access.RoleAdmin)
	var many strings.Builder
	for i := range 10_001 {
		_, line := mustMake(t, fmt.Sprint("c", i), access.RoleBuyer)
		many.WriteString(line + "\n")
	}
	for name, row := range map[string]struct{ lines, want string }{
		"nothing":           {"", "no key"},
		"only a remark":     {"# " + good, "no key"},
		"two words":         {"\nshop buyer", "line 2"},
		"the key itself":    {"shop buyer " + key, "line 1: hash"},
		"a short hash":      {"shop buyer " + hash[2:], "line 1: hash"},
		"another role":      {"shop root " + hash, "line 1: role"},
		"a name with a #":   {"sh#p buyer " + hash, "line 1: client"},
		"a name too long":   {strings.Repeat("a", 65) + " buyer " + hash, "line 1: client"},
		"the same hash":     {good + "\nother buyer " + hash, "line 2: hash"},
		"a third key":       {good + "\n" + second + "\n" + third, "line 3: client"},
		"a second role":     {good + "\n" + other, "line 2: role"},
		"too many":          {many.String(), "line 10001"},
		"a line too long":   {strings.Repeat("a", 1<<20), "too long"},
		"a forged log line": {"a\x1b[2Jb buyer " + hash, "line 1: client"},
	} {
		err := keys.Replace(strings.NewReader(row.lines))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Replace() = %v, want %q", name, err, row.want)
			continue
		}
		if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), hash) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: the error quotes the line: %v", name, err)
		}
	}
	if _, ok := keys.ClientOf(key); !ok {
		t.Error("lines that were refused have changed the keys")
	}
}

func TestNewKey_RefusesNamesAndRolesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []access.Client{
		{Name: "", Role: access.RoleBuyer}, {Name: "a b", Role: access.RoleBuyer}, {Name: "a\n", Role: access.RoleBuyer},
		{Name: "a", Role: ""}, {Name: "a", Role: "root"},
	} {
		if key, line, err := access.NewKey(c); err == nil {
			t.Errorf("NewKey(%q) = %q, %q", c, key, line)
		}
	}
}
