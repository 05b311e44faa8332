package main

import (
	"net/url"
	"strings"
	"testing"
)

// Every Redis URL is either parsed or refused, and the error does not contain its passwords.
func FuzzRedisURL(f *testing.F) {
	for _, raw := range []string{
		"redis://host:6379/0", "rediss://user:hidden@host", "redis://:hidden@host:port", "redis://user:hidden@host/nine", "redis://user:hidden@[::1/0",
		"redis+sentinel://user:hidden@s1:26379/3?master_name=shop&addr=s2:26379&sentinel_username=u&sentinel_password=hidden",
		"redis+cluster://user:hidden@a:7000?addr=b:7000&addr=", "redis+cluster://user:hidden@a/1", "redis+http://user:hidden@a",
		"redis://host?password=hidden", "redis://host?db=x&pool_size=-1&protocol=9&max_retries=y", "unix://user:hidden@/run/redis.sock?db=1",
		"rediss://host?skip_verify=maybe", "redis://host?addr=x", "redis://host/0?read_timeout=1y", "%", ":", "redis:", "//", "redis://user:%zz@host",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, parseErr := url.Parse(raw)
		if parseErr == nil && u.Query().Has("ca") {
			return // names a file to read
		}
		o, err := parseRedisURL(raw)
		if err == nil && (len(o.Addrs) == 0 || o.Addrs[0] == "" || o.IsClusterMode && o.MasterName != "") {
			t.Fatalf("%q is read as %+v", raw, o)
		}
		if err == nil || parseErr != nil {
			return
		}
		password, _ := u.User.Password()
		for _, secret := range append(u.Query()["sentinel_password"], password) {
			if len(secret) >= 6 && strings.Count(raw, secret) == 1 && strings.Contains(err.Error(), secret) {
				t.Fatalf("%q is refused by an error that repeats its password: %v", raw, err)
			}
		}
	})
}
