package stack

import (
	"context"
	"crypto/tls"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	ca, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestSecurePostgres_WantsTLSAndAPassword(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	pg, err := mustOpen(t).SecurePostgres(t.Context(), "secure-postgres", ca, "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	connect := func(url string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		return conn.Ping(t.Context())
	}
	if err := connect(pg.URL); err != nil {
		t.Errorf("by its own URL: %v", err)
	}
	wrong, err := WithLogin(pg.URL, "postgres", "wrong")
	if err != nil {
		t.Fatal(err)
	}
	other := newAuthority(t)
	for name, u := range map[string]string{
		"without TLS":          strings.Replace(pg.URL, "verify-full", "disable", 1),
		"with a wrong word":    wrong,
		"trusting another":     strings.Replace(pg.URL, url.QueryEscape(ca.File), url.QueryEscape(other.File), 1),
		"by a name it has not": strings.Replace(pg.URL, "127.0.0.1", "127.0.0.2", 1),
	} {
		if err := connect(u); err == nil {
			t.Errorf("%s it lets anybody in", name)
		}
	}
	if err := pg.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pg.Restart(t.Context()); err != nil {
		t.Errorf("Restart = %v", err)
	}
	if err := connect(pg.URL); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestSecureRedis_WantsTLSAndAUser(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r, err := mustOpen(t).SecureRedis(t.Context(), "secure-redis", ca, "user default off\nuser reader on >word ~a +get +ping\n")
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := r.Do(t.Context(), "ACL", "WHOAMI"); err != nil || answer != "stack" {
		t.Errorf("Do = %q, %v", answer, err)
	}
	ask := func(tlsConfig *tls.Config, user, password string, args ...any) error {
		client := redis.NewClient(&redis.Options{
			Addr: r.Addr, TLSConfig: tlsConfig, Username: user, Password: password,
			Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1,
		})
		defer client.Close()
		err := client.Do(t.Context(), args...).Err()
		if err == redis.Nil { //nolint:errorlint // it is never wrapped
			return nil
		}
		return err
	}
	trusting := &tls.Config{RootCAs: ca.Pool()}
	if err := ask(trusting, "reader", "word", "GET", "a"); err != nil {
		t.Errorf("its user is refused: %v", err)
	}
	for name, err := range map[string]error{
		"without TLS":       ask(nil, "reader", "word", "GET", "a"),
		"trusting another":  ask(&tls.Config{RootCAs: newAuthority(t).Pool()}, "reader", "word", "GET", "a"),
		"without a user":    ask(trusting, "", "", "GET", "a"),
		"with a wrong word": ask(trusting, "reader", "wrong", "GET", "a"),
		"beyond its keys":   ask(trusting, "reader", "word", "GET", "b"),
		"beyond its rights": ask(trusting, "reader", "word", "SET", "a", "b"),
	} {
		if err == nil {
			t.Errorf("%s it is let through", name)
		}
	}
}

func TestSecureZooKeeper_SpeaksTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	z, err := mustOpen(t).SecureZooKeeper(t.Context(), "secure-zookeeper", ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := z.shakesHands(t.Context(), ca); err != nil {
		t.Errorf("its authority's certificate: %v", err)
	}
	if err := z.shakesHands(t.Context(), newAuthority(t)); err == nil {
		t.Error("another authority vouches for it")
	}
}
