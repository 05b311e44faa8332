package main

import (
	"errors"
	"strings"
	"testing"
)

func TestRun_PasswordsAmongTheArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	for _, args := range [][]string{
		{"migrate", "--database-url", "postgres://orderd:" + canary + "@127.0.0.1/x"},
		{"migrate", "--database-url=postgres://orderd:" + canary + "@127.0.0.1/x"},
		{"migrate", "--database-url", "postgres://127.0.0.1/x?user=a&password=" + canary},
		{"migrate", "--database-url", "host=127.0.0.1 password=" + canary},
		{"migrate", "--database-url", "host=127.0.0.1 password = " + canary},
		{"migrate", "--database-url", "postgres://127.0.0.1/x?sslpassword=" + canary},
		{"serve", "--redis-url", "rediss://:" + canary + "@127.0.0.1"},
		{"serve", "--lock-redis-url", "redis://127.0.0.1,redis://a:" + canary + "@127.0.0.1"},
		{"serve", "--redis-url", "redis+sentinel://127.0.0.1?master_name=m&sentinel_password=" + canary},
	} {
		_, err := runHere(t, args...)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), canary) {
			t.Errorf("%v = %v, want a usage error that does not repeat it", args, err)
		}
		if flag, _, _ := strings.Cut(args[1], "="); !strings.Contains(err.Error(), flag) {
			t.Errorf("%v = %v, want %s named", args, err, flag)
		}
	}
	if _, err := runHere(t, "migrate", "--database-url", "postgres://orderd@127.0.0.1:1/x?sslmode=disable"); err == nil || strings.Contains(err.Error(), "password in it") {
		t.Errorf("a URL without a password = %v, want it tried", err)
	}
}

// A URL that cannot be parsed is not quoted: it may hold a password.
func TestRun_URLsThatCannotBeReadAreNotRepeated(t *testing.T) {
	const canary = "CANARY"
	for _, url := range []string{
		"postgres://orderd:" + canary + "@127.0.0.1:port/x", "postgres://orderd:at@" + canary + "@127.0.0.1/x",
		"postgres://orderd:" + canary + "%zz@127.0.0.1/x", "postgres://orderd:per%zz" + canary + "@127.0.0.1/x",
	} {
		for _, insecure := range []string{"", "true"} {
			t.Setenv("DATABASE_URL", url)
			t.Setenv("ORDERD_INSECURE", insecure)
			if _, err := runHere(t, "migrate"); err == nil || strings.Contains(err.Error(), canary) || exitCode(err) != 2 {
				t.Errorf("migrate of %q = %v, want a usage error without the password", url, err)
			}
		}
	}
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1/x?sslmode=disable")
	t.Setenv("REDIS_URL", "redis://orderd:"+canary+"@127.0.0.1:port")
	if _, err := runHere(t, "serve"); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("serve = %v, want an error without the password", err)
	}
}
