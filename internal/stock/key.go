package stock

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// An idempotency key is a client's own name for its request, so that it can be
// sent again without being done again, as draft-ietf-httpapi-idempotency-key-header
// has it. Adjustments have it as orders do. Whoever does the work writes the key
// with it, in one transaction.
const (
	// KeyHeader names the header that carries the key.
	KeyHeader = "Idempotency-Key"
	// ReplayedHeader names the header of an answer that was given before.
	ReplayedHeader = "Idempotent-Replayed"
	// MaxKey is the most characters a key has.
	MaxKey = 128
)

// ParseKey reads the header's values: none, or one key, bare or as a string of
// RFC 8941, which mean the same. The key is empty if there is no header.
func ParseKey(values []string) (key string, err error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", errors.New("is there more than once")
	}
	key = strings.Trim(values[0], " \t")
	if strings.HasPrefix(key, `"`) {
		var whole bool
		if key, whole = unquote(key); !whole {
			return "", errors.New(`begins with '"' and is not a string of RFC 8941`)
		}
	}
	if key == "" || len(key) > MaxKey {
		return "", fmt.Errorf("needs 1 to %d characters", MaxKey)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return "", errors.New("may have visible ASCII characters only")
		}
	}
	return key, nil
}

// storedKeyMark begins what is stored of a key. It has a blank, which no key has.
const storedKeyMark = "sha256 "

// StoredKey returns what Postgres keeps of a client's key, and finds it by: whoever
// reads the table, or a copy of it, learns no key. The trigger hash_order_key, and
// the migration that hashed the keys of before, say the same.
func StoredKey(client, key string) string {
	sum := sha256.Sum256([]byte(client + "\n" + key)) // no client's name has a line end
	return storedKeyMark + base64.StdEncoding.EncodeToString(sum[:])
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
