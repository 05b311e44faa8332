package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/term"

	"orderd/internal/stack"
)

type doctorCommand struct {
	Install  bool `help:"Install what is missing: says what first, and only prints the command where it may not run it. Says nothing if nothing is missing."`
	Browser  bool `help:"Look for Chromium too: the tests of the report need one."`
	Compiler bool `help:"Look for a C compiler too: the race detector of go test needs one."`
	Balancer bool `help:"Look for HAProxy too: the soak, and some tests, put one before the replicas."`
}

// Run lists the servers, or installs those that are missing.
func (c *doctorCommand) Run(con *console) error {
	found := c.look()
	missing := stack.Missing(found)
	if !c.Install {
		for _, s := range found {
			if s.Path == "" {
				fmt.Fprintf(con.out, "✗ %-11s missing; install with: %s\n", s.Name, s.Install)
				continue
			}
			fmt.Fprintf(con.out, "✓ %-11s %-9s %s\n", s.Name, s.Version, s.Path)
		}
		if missing != nil {
			return errors.New("not everything is there")
		}
		return nil
	}
	absent, ok := errors.AsType[*stack.MissingError](missing)
	if !ok {
		return nil
	}
	if err := install(con, absent); err != nil {
		return err
	}
	return stack.Missing(c.look())
}

func (c *doctorCommand) look() []stack.Server {
	found := stack.Find()
	if c.Compiler {
		found = append(found, compiler())
	}
	if c.Balancer {
		found = append(found, stack.FindHAProxy())
	}
	if c.Browser {
		found = append(found, browser())
	}
	return found
}

// browser looks for a browser that can run headless.
func browser() stack.Server {
	s := stack.Server{Name: "Chromium", Package: "chromium"}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			s.Path = path
			return s
		}
	}
	if runtime.GOOS == "darwin" {
		s.Package = "google-chrome"
	}
	s.Install = (&stack.MissingError{Servers: []stack.Server{s}}).Install()
	return s
}

// compiler looks for the C compiler that cgo calls.
func compiler() stack.Server {
	s := stack.Server{Name: "C compiler", Package: "gcc libc6-dev"}
	for _, name := range []string{os.Getenv("CC"), "gcc", "clang"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			s.Path = path
			return s
		}
	}
	if runtime.GOOS == "darwin" {
		s.Package = "llvm"
	}
	s.Install = (&stack.MissingError{Servers: []stack.Server{s}}).Install()
	return s
}

// install runs the command that installs what is missing, if this user may.
func install(con *console, missing *stack.MissingError) error {
	command := missing.Install()
	if !mayInstall(con.ctx) {
		return fmt.Errorf("this needs some packages, and may not install them itself. Run:\n\n  %s", command)
	}
	con.say("Installing what is missing: %s", command)
	if services := debianServices(missing); len(services) > 0 {
		con.say("(Where systemd runs, Debian also starts what it installs. Nothing here uses that, and this stops it:\n"+
			" systemctl disable --now %s)", strings.Join(services, " "))
	}
	cmd := exec.CommandContext(con.ctx, "/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdin = os.Stdin // for sudo; it asks on the terminal itself
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the installation failed: %w\n%s\nRun it yourself:\n\n  %s", err, lastLines(out, 15), command)
	}
	return nil
}

// debianServices are the missing servers that Debian's packages start.
func debianServices(missing *stack.MissingError) []string {
	var services []string
	for _, s := range missing.Servers {
		if runtime.GOOS == "linux" && (s.Package == "postgresql" || s.Package == "redis-server" || s.Package == "haproxy") {
			services = append(services, s.Package)
		}
	}
	return services
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// mayInstall reports whether the install command can work: as root, with Homebrew, or with
// sudo that needs no password or has a terminal to ask on.
func mayInstall(ctx context.Context) bool {
	if os.Geteuid() == 0 {
		return true
	}
	if runtime.GOOS == "darwin" {
		_, err := exec.LookPath("brew")
		return err == nil
	}
	if _, err := exec.LookPath("sudo"); err != nil {
		return false
	}
	return term.IsTerminal(int(os.Stdin.Fd())) || exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil
}
