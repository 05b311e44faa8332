package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a PostgreSQL server with a fresh database cluster.
type Postgres struct {
	*Process
	URL string // postgres://…: the superuser, on the database postgres
	bin string // the folder of its programs
}

// Postgres makes a database cluster and starts its server. Settings are "key=value", as in
// postgresql.conf; without any, commits are as durable as by default. Everybody on this machine
// may connect.
func (s *Stack) Postgres(ctx context.Context, name string, settings ...string) (*Postgres, error) {
	dir, err := s.initdb(ctx, name, "--auth=trust")
	if err != nil {
		return nil, err
	}
	return s.startPostgres(ctx, name, dir, settings, func(addr string) string {
		return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
	})
}

// startPostgres starts a server on the cluster in dir, which the superuser
// reaches by url.
func (s *Stack) startPostgres(ctx context.Context, name, dir string, settings []string, url func(addr string) string) (*Postgres, error) {
	bin := s.find.postgres()
	pg := &Postgres{bin: bin}
	err := s.onFreePorts(1, func(ports []int) error {
		pg.URL = url(address(ports[0]))
		var err error
		pg.Process, err = s.Start(ctx, Command{
			Name:  name,
			Path:  filepath.Join(bin, "postgres"),
			Args:  postgresArgs(dir, ports[0], settings),
			Env:   postgresEnv(),
			Ready: func(ctx context.Context) error { return postgresReady(ctx, pg.URL, dir) },
			// SIGTERM would wait for clients to leave; SIGINT makes them leave. SIGQUIT, if the
			// data is not kept, skips the checkpoint too.
			Stop:    syscall.SIGINT,
			discard: syscall.SIGQUIT,
			user:    s.user,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return pg, nil
}

// initdb makes a new database cluster and returns its folder.
func (s *Stack) initdb(ctx context.Context, name string, auth ...string) (dir string, err error) {
	if err := s.find.need(postgresName); err != nil {
		return "", err
	}
	if dir, err = s.folder(name, s.user); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	r, err := s.launch(Command{
		Name: name,
		Path: filepath.Join(s.find.postgres(), "initdb"),
		Args: append([]string{
			"-D", dir, "--no-sync", "--no-instructions", "--username=postgres",
			// Interrupted, initdb would remove the files from under the server that it runs,
			// which would then leave its shared memory behind.
			"--no-clean",
			"--encoding=UTF8", "--locale=" + utf8Locale(),
		}, auth...),
		Env:  postgresEnv(),
		user: s.user,
	})
	if err != nil {
		return "", fmt.Errorf("initdb for %s: %w", name, err)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return "", fmt.Errorf("initdb for %s: %w", name, errors.Join(ctx.Err(), r.kill()))
	}
	if r.err != nil {
		return "", fmt.Errorf("initdb for %s: %w", name, errors.Join(r.err, r.quoteLog()))
	}
	return dir, nil
}

func postgresArgs(dir string, port int, settings []string) []string {
	args := []string{"-D", dir}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
		"max_connections=200",
		// In files in dir, so that a killed server leaves none in /dev/shm.
		"dynamic_shared_memory_type=mmap",
	}, settings...) {
		args = append(args, "-c", setting)
	}
	return args
}

// postgresEnv spares initdb the search for the machine's time zone, which takes
// it longer than the rest, and gives messages in English.
func postgresEnv() []string { return []string{"TZ=UTC", "LC_ALL=" + utf8Locale()} }

// utf8Locale is the locale that sorts by code point. macOS has no C.UTF-8.
func utf8Locale() string {
	if runtime.GOOS == "darwin" {
		return "C"
	}
	return "C.UTF-8"
}

// postgresReady makes sure that the server takes connections and is the one
// whose data is in dir.
func postgresReady(ctx context.Context, url, dir string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var found string
	if err := conn.QueryRow(ctx, "SELECT current_setting('data_directory')").Scan(&found); err != nil {
		return err
	}
	if found != dir {
		return fmt.Errorf("a PostgreSQL with the data of %s answers", found)
	}
	return nil
}

// Tool returns the path of a program that came with the server, such as pgbench. The server's
// own folder may hold only links to some of them.
func (p *Postgres) Tool(name string) string {
	server, err := filepath.EvalSymlinks(filepath.Join(p.bin, "postgres"))
	if err != nil {
		return name // the search in PATH will fail, and say so
	}
	return filepath.Join(filepath.Dir(server), name)
}

// NewDatabase creates an empty database and returns its URL.
func (p *Postgres) NewDatabase(ctx context.Context, name, template string) (string, error) {
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(ctx)
	create := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		create += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	if _, err := conn.Exec(ctx, create); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
