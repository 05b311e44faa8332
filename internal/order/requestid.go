package order

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// requestIDHeader carries a request's id, for the logs of all servers that take part in it.
const requestIDHeader = "X-Request-Id"

// maxRequestID is the maximum length of an id that is accepted.
const maxRequestID = 128

// echoRequestID copies the request's id to the answer's headers, if there is one that can
// be logged, and returns it.
func echoRequestID(request, answer http.Header) string {
	sent := request[requestIDHeader]
	if len(sent) != 1 || !validRequestID(sent[0]) {
		return ""
	}
	answer[requestIDHeader] = sent
	return sent[0]
}

func validRequestID(id string) bool {
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// newRequestID makes an id for a request that came without. It serves to find log entries,
// and need not be hard to guess.
func newRequestID() string { return fmt.Sprintf("%016x", rand.Uint64()) }
