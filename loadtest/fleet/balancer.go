package fleet

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"orderd/deploy"
)

// What is replaced in deploy/haproxy.cfg: the address that it listens on, and the discovery
// of replicas by DNS, since their addresses are known here.
var (
	bindLine  = regexp.MustCompile(`(?m)^([ \t]+bind) :8080$`)
	resolvers = regexp.MustCompile(`(?m)^resolvers docker\n([ \t]+.+\n)+`)
	template  = regexp.MustCompile(`(?m)^[ \t]+server-template .*$`)
)

// Balance starts a load balancer in front of the replicas, with the configuration that ships,
// and returns its base URL. It ends with the fleet.
func (f *Fleet) Balance(ctx context.Context, r *Replicas) (string, error) {
	servers, err := serverLines(r.URLs)
	if err != nil {
		return "", err
	}
	for part, want := range map[*regexp.Regexp]int{bindLine: 1, resolvers: 1, template: 2} {
		if n := len(part.FindAllString(deploy.HAProxy, -1)); n != want {
			return "", fmt.Errorf("deploy/haproxy.cfg has %d times what looks like %v, want %d", n, part, want)
		}
	}
	config := resolvers.ReplaceAllLiteralString(deploy.HAProxy, "")
	config = template.ReplaceAllLiteralString(config, servers)
	balancer, err := f.stack.HAProxy(ctx, f.prefix+"haproxy",
		func(port int) string {
			return bindLine.ReplaceAllString(config, fmt.Sprintf("${1} 127.0.0.1:%d", port))
		},
		func(ctx context.Context, addr string) error { return balanced(ctx, "http://"+addr) })
	if err != nil {
		return "", err
	}
	return "http://" + balancer.Addr, nil
}

func serverLines(urls []string) (string, error) {
	lines := make([]string, len(urls))
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return "", err
		}
		lines[i] = fmt.Sprintf("    server orderd-%d %s", i+1, u.Host)
	}
	return strings.Join(lines, "\n"), nil
}

// balanced returns nil if a replica answers through the balancer.
func balanced(ctx context.Context, url string) error {
	header, _, err := Get(ctx, url+"/readyz")
	if err == nil && header.Get("X-Orderd-Replica") == "" {
		err = fmt.Errorf("%s does not answer as a replica", url)
	}
	return err
}
