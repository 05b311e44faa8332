// Package idempotency reads a client's own name for a request, so that the
// request can be sent again without being done again: the Idempotency-Key, as
// draft-ietf-httpapi-idempotency-key-header has it. Whoever does the work keeps
// the key with it, in one transaction.
package idempotency

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// Header names the header that carries the key.
	Header = "Idempotency-Key"
	// Replayed names the header of an answer that was given before.
	Replayed = "Idempotent-Replayed"
	// MaxLength is the most characters a key has.
	MaxLength = 128
)

// Parse reads the header's values: none, or one key, bare or as a string of
// RFC 8941, which mean the same. The key is empty if there is no header.
func Parse(values []string) (key string, err error) {
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
	if key == "" || len(key) > MaxLength {
		return "", fmt.Errorf("needs 1 to %d characters", MaxLength)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return "", errors.New("may have visible ASCII characters only")
		}
	}
	return key, nil
}

// Resolve reads the key of a request of the framework's. What is wrong with it
// names the header.
func Resolve(ctx huma.Context) (key string, problems []error) {
	var values []string
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, Header) {
			values = append(values, value)
		}
	})
	key, err := Parse(values)
	if err != nil {
		problems = []error{&huma.ErrorDetail{Location: "header." + Header, Message: err.Error()}}
	}
	return key, problems
}

// StoredMark begins what is stored of a key. It has a blank, which no key has.
const StoredMark = "sha256 "

// Stored returns what Postgres keeps of a client's key, and finds it by: whoever
// reads the table, or a copy of it, learns no key. The trigger hash_order_key, and
// the migration that hashed the keys of before, say the same.
func Stored(client, key string) string {
	sum := sha256.Sum256([]byte(client + "\n" + key)) // no client's name has a line end
	return StoredMark + base64.StdEncoding.EncodeToString(sum[:])
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
