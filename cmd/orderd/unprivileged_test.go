package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// copyOfMe returns a copy of this binary where every user may run it.
func copyOfMe(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "orderd-unprivileged-") // not below a folder that is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	from, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	file := filepath.Join(dir, "orderd")
	to, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close(), os.Chmod(dir, 0o755), os.Chmod(file, 0o755)); err != nil {
		t.Fatal(err)
	}
	return file
}

// A replica needs no privileges, and no file to write to.
func TestServe_NeedsNoRights(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.command = []string{copyOfMe(t)}
	setpriv, err := exec.LookPath("setpriv")
	if err == nil { // without it, the replica runs as the user who tests
		without := []string{setpriv, "--no-new-privs"}
		if os.Geteuid() == 0 {
			without = append(without, "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all")
		}
		d.command = append(without, d.command...)
	}
	r := d.start(t, "r1", "redis", "--events-stream", "orderd:events")
	r.mustSet(t, "A-1", 5, "predicate")
	if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
		t.Errorf("an order is answered %d %v, want 201", status, answer)
	}
	proc := filepath.Join("/proc", itoa(r.Pid()))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if errors.Is(err, os.ErrNotExist) || setpriv == "" {
		return // nothing to check
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^NoNewPrivs:\s1$`, `(?m)^CapEff:\s0+$`, `(?m)^CapPrm:\s0+$`} {
		if !regexp.MustCompile(want).Match(status) {
			t.Errorf("it runs as\n%s, want %s", status, want)
		}
	}
	inherited := filesOf(t, "/proc/self")
	for file := range filesOf(t, proc) {
		system := strings.HasPrefix(file, "/sys/") // where Go reads how many CPUs it may use
		if !system && !inherited[file] && file != r.LogFile() {
			t.Errorf("it has %s open", file)
		}
	}
}

// filesOf returns the files that a process has open.
func filesOf(t *testing.T, proc string) map[string]bool {
	t.Helper()
	links, err := filepath.Glob(filepath.Join(proc, "fd", "*"))
	if err != nil || len(links) < 5 {
		t.Fatalf("%s has %v open, %v", proc, links, err)
	}
	files := map[string]bool{}
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, "/") { // else closed by now, or a socket
			files[file] = true
		}
	}
	return files
}

// The Kubernetes manifest gives no more rights than that, and sets nothing that orderd does not
// know.
func TestDeploy_Kubernetes(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../deploy/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	containers := strings.Count(text, "          image: orderd:latest\n")
	for _, want := range []string{
		"securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}",
		"runAsNonRoot: true, runAsUser: 65532,", "seccompProfile: {type: RuntimeDefault}", "limits: {memory:",
	} {
		if n := strings.Count(text, want); n != containers || n == 0 {
			t.Errorf("%d of %d containers have %s", n, containers, want)
		}
	}
	help, err := runHere(t, "serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\b(ORDERD_[A-Z_]+|DATABASE_URL|REDIS_URL)\b`).FindAllString(text, -1) {
		if !strings.Contains(help, "$"+name) {
			t.Errorf("orderd knows of no %s", name)
		}
	}
	for _, path := range regexp.MustCompile(`path: (/\w+z)`).FindAllStringSubmatch(text, -1) {
		if path[1] != "/livez" && path[1] != "/readyz" {
			t.Errorf("orderd has no %s", path[1])
		}
	}
	delay := regexp.MustCompile(`ORDERD_DRAIN_DELAY, value: (\w+)`).FindStringSubmatch(text)
	grace := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindStringSubmatch(text)
	wait, err := time.ParseDuration(delay[1])
	if given, err2 := time.ParseDuration(grace[1] + "s"); err != nil || err2 != nil || given < wait+drainLimit+closeLimit+flushLimit {
		t.Errorf("it is given %s to end (%v, %v), want %v and %v at least", grace[1], err, err2, wait, drainLimit+closeLimit+flushLimit)
	}
}

// The containers get no more rights than that.
func TestDeploy_ContainersHaveNoRights(t *testing.T) {
	t.Parallel()
	text := func(file string) string {
		content, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	image := text("Dockerfile")
	last := image[strings.LastIndex(image, "\nFROM "):]
	if !regexp.MustCompile(`^\nFROM \S+/static-\S+:nonroot\n`).MatchString(last) || strings.Contains(last, "USER root") || !strings.Contains(last, `ENTRYPOINT ["`) {
		t.Errorf("the image is made by%s\nwant one without a shell, for a user who is not root", last)
	}
	if latest := regexp.MustCompile(`(?m)^(FROM|\s+image:) (\S+:latest|[a-z/.]+)( |$)`).FindAllString(image+strings.ReplaceAll(text("docker-compose.yml"), "image: orderd\n", ""), -1); latest != nil {
		t.Errorf("%q have no version", latest)
	}
	service := regexp.MustCompile(`(?s)\n  orderd:\n.*?\n\n`).FindString(text("docker-compose.yml"))
	for _, want := range []string{"read_only: true", `cap_drop: ["ALL"]`, `"no-new-privileges:true"`, "pids_limit:", "mem_limit:"} {
		if !strings.Contains(service, want) {
			t.Errorf("the service orderd in docker-compose.yml lacks %s", want)
		}
	}
	if strings.Contains(service, "ports:") || strings.Contains(service, "privileged: true") {
		t.Errorf("the service orderd in docker-compose.yml has more than it needs:%s", service)
	}
}
