package order

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// requestIDHeader carries the name of a request, for the logs of all who had a
// hand in it.
const requestIDHeader = "X-Request-Id"

// maxRequestID is the most characters of one that is taken over.
const maxRequestID = 128

// echoRequestID answers with the id that the request has, if there is one that
// can be written into a log, and returns it.
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

// newRequestID makes an id for a request that came without. It has to be found
// again, and need not be hard to guess.
func newRequestID() string { return fmt.Sprintf("%016x", rand.Uint64()) }
