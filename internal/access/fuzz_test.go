package access_test

import (
	"strings"
	"testing"

	"orderd/internal/access"
)

// A key file is accepted as a whole or not at all, and the error does not quote it.
func FuzzKeys(f *testing.F) {
	key, line, err := access.NewKey(access.Client{Name: "shop", Role: access.RoleBuyer})
	if err != nil {
		f.Fatal(err)
	}
	hash := line[strings.LastIndex(line, " ")+1:]
	for _, text := range []string{
		"", "#", line, line + "\r\n\r\n# more\n", line + "\n" + line, "other admin " + hash, "shop  buyer\t" + strings.ToUpper(hash),
		"shop buyer " + key, "shop buyer " + hash[1:], "shop root " + hash, "a/b buyer " + hash, "\xff\xfe" + line, "shop buyer " + hash + " x",
		strings.Repeat("a", 70_000), "shop\x00 buyer " + hash, line + "\x85" + line, "\u2028" + line,
	} {
		f.Add(text)
	}
	_, resident, err := access.NewKey(access.Client{Name: "resident", Role: access.RoleAdmin})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys := &access.Keys{}
		if err := keys.Replace(strings.NewReader(line)); err != nil {
			t.Fatal(err)
		}
		err := keys.Replace(strings.NewReader(text))
		client, known := keys.ClientOf(key)
		if err != nil {
			if !known || client.Name != "shop" || client.Role != access.RoleBuyer {
				t.Fatalf("%q is refused, and its key is now %+v's, %v", text, client, known)
			}
			for _, word := range strings.Fields(text) {
				if len(word) >= 20 && strings.Contains(err.Error(), word) {
					t.Fatalf("%q is refused by an error that quotes it: %v", text, err)
				}
			}
			return
		}
		if known != strings.Contains(strings.ToLower(text), hash) && !strings.Contains(text, "#") {
			t.Fatalf("%q lets the key in: %v", text, known)
		}
		// Lines that were accepted are accepted behind another line, too.
		if err := keys.Replace(strings.NewReader(resident + "\n" + text)); err != nil && !strings.Contains(text, "resident") {
			t.Fatalf("%q is good alone and not after another line: %v", text, err)
		}
	})
}
