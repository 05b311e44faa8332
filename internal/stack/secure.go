package stack

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// SecurePostgres starts a server on a new database cluster that accepts only TLS with a
// password. Its URL has both, and checks who the server is.
func (s *Stack) SecurePostgres(ctx context.Context, name string, ca *Authority, settings ...string) (*Postgres, error) {
	password := rand.Text()
	file := filepath.Join(s.dir, name+".password")
	if err := s.give(file, []byte(password)); err != nil {
		return nil, err
	}
	dir, err := s.initdb(ctx, name, "--auth=scram-sha-256", "--pwfile="+file)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := ca.Issue(name)
	if err != nil {
		return nil, err
	}
	settings = append([]string{"ssl=on", "password_encryption=scram-sha-256"}, settings...)
	for setting, from := range map[string]string{"ssl_cert_file": certFile, "ssl_key_file": keyFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		// Beside its data, where the server's user can read it.
		to := filepath.Join(dir, filepath.Base(from))
		if err := s.give(to, content); err != nil {
			return nil, err
		}
		settings = append(settings, setting+"="+to)
	}
	const onlyTLS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
	if err := s.give(filepath.Join(dir, "pg_hba.conf"), []byte(onlyTLS)); err != nil {
		return nil, err
	}
	return s.startPostgres(ctx, name, dir, settings, func(addr string) string {
		return "postgres://postgres:" + password + "@" + addr + "/postgres?sslmode=verify-full&sslrootcert=" + url.QueryEscape(ca.File)
	})
}

// give writes a file for the servers' user alone.
func (s *Stack) give(file string, content []byte) error {
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	if s.user == nil {
		return nil
	}
	return os.Chown(file, int(s.user.Uid), int(s.user.Gid))
}

// WithLogin returns a server's URL for another user.
func WithLogin(serverURL, user, password string) (string, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}

// SecureRedis is a Redis server that accepts only TLS, and only the users of its ACL.
type SecureRedis struct {
	*Process
	Addr  string // host:port
	admin *redis.Options
}

// redisAdmin is the stack's own user.
const redisAdmin = "stack"

// SecureRedis starts a Redis server with the users of an ACL file, to which it
// adds one of its own. Further arguments are redis-server's own.
func (s *Stack) SecureRedis(ctx context.Context, name string, ca *Authority, acl string, args ...string) (*SecureRedis, error) {
	if err := s.find.need(redisName); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := ca.Issue(name)
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	settings, users := filepath.Join(dir, "redis.conf"), filepath.Join(dir, "users.acl")
	err = errors.Join(
		os.WriteFile(settings, nil, 0o600),
		os.WriteFile(users, []byte(acl+"\nuser "+redisAdmin+" on >"+password+" ~* &* +@all\n"), 0o600))
	if err != nil {
		return nil, fmt.Errorf("write Redis's settings: %w", err)
	}
	r := &SecureRedis{}
	err = s.onFreePorts(1, func(ports []int) error {
		r.Addr = address(ports[0])
		r.admin = &redis.Options{
			Addr: r.Addr, Username: redisAdmin, Password: password,
			TLSConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
			Protocol:  2, DisableIdentity: true,
			MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		}
		var err error
		r.Process, err = s.Start(ctx, Command{
			Name: name,
			Path: s.find.redis(),
			Args: append(redisArgs(settings, dir,
				"--port", "0", "--tls-port", strconv.Itoa(ports[0]), "--tls-auth-clients", "no",
				"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", ca.File,
				"--aclfile", users), args...),
			Ready: func(ctx context.Context) error { return r.ready(ctx, dir) },
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ready makes sure that the server answers and is the one that works in dir.
func (r *SecureRedis) ready(ctx context.Context, dir string) error {
	// Dialled first, since the client would print that a server is not there yet.
	conn, err := (&tls.Dialer{Config: r.admin.TLSConfig}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return err
	}
	conn.Close()
	answer, err := r.Do(ctx, "CONFIG", "GET", "dir")
	if err != nil {
		return err
	}
	if want := fmt.Sprint([]any{"dir", dir}); answer != want {
		return fmt.Errorf("unexpected answer of Redis: %s, want %s", answer, want)
	}
	return nil
}

// Do sends the server a command as a user who may send any, over a connection of
// its own, and returns the answer as text.
func (r *SecureRedis) Do(ctx context.Context, args ...any) (string, error) {
	client := redis.NewClient(r.admin)
	defer client.Close()
	answer, err := client.Do(ctx, args...).Result()
	if err != nil {
		return "", fmt.Errorf("%s: %v: %w", r.Addr, args, err)
	}
	return fmt.Sprint(answer), nil
}
