package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// A connection is one persistent HTTP/1.1 connection that sends orders cheaply, because it shares
// the machine with what is measured: a request is one write of prepared bytes, and of an
// answer only status, length and body are parsed.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
}

var errAnswer = errors.New("the answer is not HTTP/1.1 with a length")

// dial opens a connection to host:port that is usable until a deadline.
func dial(ctx context.Context, address string, until time.Time) (*connection, error) {
	conn, err := (&net.Dialer{Deadline: until}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(until); err != nil {
		conn.Close()
		return nil, err
	}
	return &connection{conn, bufio.NewReaderSize(conn, 2<<10)}, nil
}

// request returns a complete request for an order of one line. headers are further headers,
// each ended by CRLF.
func request(address, sku, headers string) []byte {
	body := fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":1}]}`, sku)
	return fmt.Appendf(nil, "POST /v1/orders HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		address, headers, len(body), body)
}

// idempotencyKey begins the header whose value putKey writes into a request each time.
const idempotencyKey = "Idempotency-Key: "

// putKey writes n, which no other order has, over a request's idempotency key, and returns
// the key.
func putKey(request []byte, n int64) string {
	at := bytes.Index(request, []byte(idempotencyKey)) + len(idempotencyKey)
	place := request[at : at+len(noKey)]
	copy(place, noKey)
	digits := strconv.AppendInt(make([]byte, 0, len(noKey)), n, 10)
	copy(place[len(noKey)-len(digits):], digits)
	return string(place)
}

// noKey is the placeholder for a request's idempotency key.
const noKey = "0000000000000000000"

// exchange sends a request and returns the answer's status and body.
func (c *connection) exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.answers.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, errAnswer
	}
	length, err := c.headers()
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.answers, body)
	return status, body, err
}

// headers reads up to the body and returns the body's length.
func (c *connection) headers() (int, error) {
	const contentLength = "content-length:"
	length := -1
	for {
		line, err := c.answers.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], []byte(contentLength)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return 0, errAnswer
			}
		}
	}
	if length < 0 || length > answerLimit {
		return 0, errAnswer
	}
	return length, nil
}
