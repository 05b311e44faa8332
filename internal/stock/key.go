package stock

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// An idempotency key is a client's own name for a request, with which it can be retried without
// being done twice (draft-ietf-httpapi-idempotency-key-header). Adjustments have one as orders
// do. It is written in the same transaction as the work.
const (
	// KeyHeader names the header that carries the key.
	KeyHeader = "Idempotency-Key"
	// ReplayedHeader names the header that marks a repeat of an earlier answer.
	ReplayedHeader = "Idempotent-Replayed"
	// MaxKey is the maximum length of a key in characters.
	MaxKey = 128
)

// ParseKey parses the header's values: none, or one key, bare or as an RFC 8941 string, which
// mean the same. The key is empty if there is no header.
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

// storedKeyMark is the prefix of every stored key. It contains a space, which no client's key
// does.
const storedKeyMark = "sha256 "

// StoredKey returns the hash under which Postgres stores and finds a client's key, so that the
// table, or a copy of it, reveals no keys. The trigger hash_order_key, and the migration that
// hashed older keys, compute the same.
func StoredKey(client, key string) string {
	sum := sha256.Sum256([]byte(client + "\n" + key)) // a client's name contains no newline
	return storedKeyMark + base64.StdEncoding.EncodeToString(sum[:])
}

// unquote returns the content of an RFC 8941 string, in which '\' escapes '"' and '\', and
// whether text was one from end to end.
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
