package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseRedisURL(t *testing.T) {
	t.Parallel()
	o, err := parseRedisURL("rediss+sentinel://u:p@s1:26379/3?master_name=shop&addr=s2:26379&addr=s3:26379&sentinel_password=q")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.Addrs, []string{"s1:26379", "s2:26379", "s3:26379"}) || o.MasterName != "shop" || o.DB != 3 ||
		o.Username != "u" || o.Password != "p" || o.SentinelPassword != "q" || o.TLSConfig == nil || o.TLSConfig.ServerName != "" {
		t.Errorf("Sentinel: %+v", o)
	}
	if o, err = parseRedisURL("redis+cluster://:p@a:7000?addr=b:7000"); err != nil ||
		!o.IsClusterMode || !slices.Equal(o.Addrs, []string{"a:7000", "b:7000"}) || o.Password != "p" || o.TLSConfig != nil {
		t.Errorf("Cluster: %+v, %v", o, err)
	}
	if o, err = parseRedisURL("rediss://localhost/2?pool_size=7"); err != nil || o.IsClusterMode || o.MasterName != "" ||
		!slices.Equal(o.Addrs, []string{"localhost:6379"}) || o.DB != 2 || o.PoolSize != 7 || o.TLSConfig.ServerName != "localhost" {
		t.Errorf("one server: %+v, %v", o, err)
	}
	for url, problem := range map[string]string{
		"":                                "scheme",
		"http://a":                        "scheme",
		"redis+http://a":                  "scheme",
		"redis+sentinel://a":              "master_name",
		"redis://a?master_name=b":         "master_name",
		"redis://a?addr=b":                "addr",
		"redis+cluster://a/1":             "database",
		"redis+cluster://a?no_such_thing": "no_such_thing",
	} {
		if _, err := parseRedisURL(url); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("parseRedisURL(%q) = %v, want an error about %s", url, err, problem)
		}
	}
}
