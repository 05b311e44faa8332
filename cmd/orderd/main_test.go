package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
)

// asOrderd makes the test binary behave as orderd itself, so that the tests run whole processes
// without building another binary.
const asOrderd = "ORDERD_TEST_AS_ORDERD"

func TestMain(m *testing.M) {
	if os.Getenv(asOrderd) != "" {
		main()
		return
	}
	stacktest.Main(m)
}

var await = stacktest.Await

// A deployment is the servers of a test's replicas.
type deployment struct {
	database, stock, locks, zookeeper string

	command []string // that runs its replicas; nil: this binary

	env []string       // of its replicas
	ca  *x509.CertPool // the authority of its replicas' certificates; nil: they have none
}

func newDeployment(t *testing.T) deployment {
	t.Helper()
	return deployment{
		database: stacktest.MigratedPostgres(t), stock: stacktest.Redis(t), locks: stacktest.Redis(t), zookeeper: stacktest.ZooKeeper(t),
	}
}

// A replica is a process of orderd that is ready.
type replica struct {
	*stack.Process
	url, admin string
	client     *http.Client
	key        string // the API key of its requests, if any
}

// start runs one more orderd and waits until it is ready.
func (d deployment) start(t *testing.T, id, mode string, flags ...string) *replica {
	t.Helper()
	return d.startUntil(t, "/readyz", id, mode, flags...)
}

// startUnready runs an orderd that lacks a server, and so is never ready.
func (d deployment) startUnready(t *testing.T, id, mode string) *replica {
	t.Helper()
	return d.startUntil(t, "/livez", id, mode)
}

func (d deployment) startUntil(t *testing.T, path, id, mode string, flags ...string) *replica {
	t.Helper()
	ports, err := stack.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(ports[0])
	r := &replica{url: "http://" + address, admin: "http://127.0.0.1:" + strconv.Itoa(ports[1]), client: client}
	if d.ca != nil {
		r.url, r.client = "https://"+address, clientTrusting(d.ca)
	}
	name := strings.ReplaceAll(t.Name(), "/", "-") + "-" + id
	command := d.command
	if command == nil {
		command = os.Args[:1]
	}
	r.Process, err = stacktest.Stack(t).Start(t.Context(), stack.Command{
		Name: name, Path: command[0], Env: append([]string{
			asOrderd + "=1", "DATABASE_URL=" + d.database, "REDIS_URL=" + d.stock, "ORDERD_LOCK_REDIS_URL=" + d.locks,
		}, d.env...),
		Args: slices.Concat(command[1:], []string{
			"serve", "--id", id, "--lock-mode", mode, "--listen", address,
			"--admin-listen", fmt.Sprintf("127.0.0.1:%d", ports[1]),
			"--zookeeper", d.zookeeper, "--allow-unguarded", "--drain-delay", "0s",
		}, flags),
		Ready: func(ctx context.Context) error {
			resp, err := r.get(ctx, r.url+path)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Orderd-Replica") != id {
				return fmt.Errorf("%s answers %s as %q", address, resp.Status, resp.Header.Get("X-Orderd-Replica"))
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	})
	return r
}

func get(ctx context.Context, url string) (*http.Response, error) {
	return (&replica{client: client}).get(ctx, url)
}

func (r *replica) get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return r.client.Do(req)
}

// Connections are not kept alive, since the tests look for leaks at their end.
var client = clientTrusting(nil)

func clientTrusting(ca *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca},
	}}
}

// send sends JSON and returns the status and the answer's members.
func (r *replica) send(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	a := r.sendWith(t, method, path, body)
	return a.status, a.members
}

// An answer is a response in JSON.
type answer struct {
	status  int // 0: there was none
	header  http.Header
	members map[string]any
}

// sendWith sends JSON with further headers, given as alternating names and values.
func (r *replica) sendWith(t *testing.T, method, path, body string, headers ...string) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a.members); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
	return a
}

func (r *replica) mustSet(t *testing.T, sku string, onHand int, guard string) {
	t.Helper()
	status, answer := r.send(t, http.MethodPut, "/v1/stock/"+sku, fmt.Sprintf(`{"on_hand":%d,"guard":%q}`, onHand, guard))
	if status != http.StatusCreated {
		t.Fatalf("set %s: %d %v", sku, status, answer)
	}
}

const orderOne = `{"lines":[{"sku":"A-1","quantity":1}]}`

// runHere runs orderd's main function in this process and returns what it says.
func runHere(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = run(t.Context(), args, &out, &out)
	return out.String(), err
}
