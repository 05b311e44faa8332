package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"orderd/internal/stack"
)

func newAuthority(t *testing.T) *stack.Authority {
	t.Helper()
	ca, err := stack.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func mustIssue(t *testing.T, ca *stack.Authority, name string, hosts ...string) (cert, key string) {
	t.Helper()
	cert, key, err := ca.Issue(name, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// shake connects with the client's settings and returns the server certificate's serial number.
func (r *replica) shake(ctx context.Context, config *tls.Config) (*big.Int, error) {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber, nil
}

func TestServe_WithTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := mustIssue(t, ca, "api")
	d := newDeployment(t)
	d.ca = ca.Pool()
	r := d.start(t, "r1", "redis", "--tls-cert", cert, "--tls-key", key)
	r.mustSet(t, "A-1", 5, "predicate")
	if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
		t.Errorf("an order over TLS is answered %d %v, want 201", status, answer)
	}
	address := strings.TrimPrefix(r.url, "https://")
	if _, err := runHere(t, "healthcheck", "--listen", address, "--tls-cert", cert); err != nil {
		t.Errorf("healthcheck = %v", err)
	}
	// The file is newer than what the replica serves, as while its key is not there yet.
	other, _ := mustIssue(t, newAuthority(t), "stranger")
	if _, err := runHere(t, "healthcheck", "--listen", address, "--tls-cert", other); err != nil {
		t.Errorf("healthcheck of a replica with another certificate = %v, want it well", err)
	}
	if resp, err := get(t.Context(), "http://"+address+"/livez"); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS it answers %s, want 400", resp.Status)
		}
	}
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := r.shake(t.Context(), &tls.Config{RootCAs: d.ca, MinVersion: version, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v, want it accepted: %v", tls.VersionName(version), err, want)
		}
	}
	_, err := r.shake(t.Context(), &tls.Config{RootCAs: x509.NewCertPool()})
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("a client that does not trust its authority: %v", err)
	}
}

// In HTTP/2 a connection carries many requests: a limit on connections would bound little.
func TestServe_SpeaksHTTP1Alone(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := mustIssue(t, ca, "api")
	d := newDeployment(t)
	d.ca = ca.Pool()
	r := d.start(t, "r1", "none", "--tls-cert", cert, "--tls-key", key)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: d.ca, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if spoken := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; spoken != "http/1.1" {
		t.Errorf("it speaks %q, want http/1.1", spoken)
	}
}

// A key that is given in the place of its file's name is not quoted.
func TestServe_ShowsNoPrivateKey(t *testing.T) {
	t.Parallel()
	cert, key := mustIssue(t, newAuthority(t), "api")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = runHere(t, "serve", "--database-url", "postgres://127.0.0.1:1/x?sslmode=disable", "--redis-url", "redis://127.0.0.1:1",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key="+string(text))
	if err == nil || !strings.Contains(err.Error(), "--tls-key") || strings.Contains(err.Error(), strings.Split(string(text), "\n")[1]) {
		t.Errorf("serve = %v, want an error that names the flag and not the key", err)
	}
}

// A new certificate is served without a restart, and a broken one is not.
func TestServe_FollowsItsCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := mustIssue(t, ca, "api")
	d := newDeployment(t)
	d.ca = ca.Pool()
	r := d.start(t, "r1", "none", "--tls-cert", cert, "--tls-key", key)
	number := func() *big.Int {
		n, err := r.shake(t.Context(), &tls.Config{RootCAs: d.ca})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := number()
	mustIssue(t, ca, "api")
	await(t, "the second certificate", func() bool { return number().Cmp(first) != 0 })
	second := number()
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the log to tell", func() bool { return strings.Contains(r.log(t), "--tls-key") })
	if number().Cmp(second) != 0 {
		t.Error("a broken key has changed what is served")
	}
	if strings.Contains(r.log(t), "PRIVATE") || strings.Contains(r.log(t), "nonsense") {
		t.Error("the log quotes the key")
	}
}
