package order

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"orderd/internal/stock"
)

// keyHeader names the header that carries a client's name for its order.
const keyHeader = "Idempotency-Key"

// maxKey is the most characters a key has.
const maxKey = 128

// parseKey reads the header's values: none, or one key, bare or as a string of
// RFC 8941, which mean the same. The key is empty if there is no header.
func parseKey(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", badKey("is there more than once")
	}
	key := strings.Trim(values[0], " \t")
	if strings.HasPrefix(key, `"`) {
		var whole bool
		if key, whole = unquote(key); !whole {
			return "", badKey(`begins with '"' and is not a string of RFC 8941`)
		}
	}
	if key == "" || len(key) > maxKey {
		return "", badKey(fmt.Sprintf("needs 1 to %d characters", maxKey))
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return "", badKey("may have visible ASCII characters only")
		}
	}
	return key, nil
}

// keyMark begins what is stored of a key. It has a blank, which no key has.
const keyMark = "sha256 "

// storedKey returns what Postgres keeps of a client's key, and finds it by:
// whoever reads the table, or a copy of it, learns no key. The trigger
// hash_order_key, and the migration that hashed the keys of before, say the same.
func storedKey(client, key string) string {
	sum := sha256.Sum256([]byte(client + "\n" + key)) // no client's name has a line end
	return keyMark + base64.StdEncoding.EncodeToString(sum[:])
}

func badKey(problem string) error {
	return &stock.InvalidError{Field: "header." + keyHeader, Problem: problem}
}

// unquote returns what a string of RFC 8941 says, in which '"' and '\' have a
// '\' before them, and whether the text was one from end to end.
func unquote(text string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return b.String(), i == len(text)-1
		case '\\':
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
