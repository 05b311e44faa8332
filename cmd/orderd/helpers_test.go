package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

func contextWithTimeout(t *testing.T, limit time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), limit)
}

// read returns the body of the answer to a GET.
func read(t *testing.T, url string) string {
	t.Helper()
	resp, err := get(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s = %s, %v", url, resp.Status, err)
	}
	return string(body)
}

// patient makes replicas wait longer for locks than a busy machine takes, for tests in which
// all orders have to be placed.
var patient = []string{"--lock-wait", "11s"}

// A notifier is a log that calls seen when it contains the text.
type notifier struct {
	text string
	seen func()

	mu  sync.Mutex
	log bytes.Buffer
}

func (n *notifier) Write(b []byte) (int, error) {
	n.mu.Lock()
	n.log.Write(b)
	n.mu.Unlock()
	if n.told() {
		n.seen()
	}
	return len(b), nil
}

func (n *notifier) told() bool { return strings.Contains(n.String(), n.text) }

func (n *notifier) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}
