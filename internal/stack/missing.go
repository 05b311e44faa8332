package stack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Names of the servers that the stack can start.
const (
	postgresName  = "PostgreSQL"
	redisName     = "Redis"
	zooKeeperName = "ZooKeeper"
)

// A Server is one that the stack can start, found or missing.
type Server struct {
	Name    string
	Path    string // of its program, or ZooKeeper's jar; empty if missing
	Version string // empty if missing or unknown
	Package string // what to install for it
	Install string // the exact command that does so; empty unless missing
}

// A MissingError names the servers that are not installed, and how to install
// them.
type MissingError struct {
	Servers []Server
}

func (e *MissingError) Error() string {
	var names []string
	for _, server := range e.Servers {
		names = append(names, server.Name)
	}
	return "not installed: " + strings.Join(names, ", ") + "; install with: " + e.Install()
}

// Install is the command that installs them all, for this system and user.
func (e *MissingError) Install() string {
	var packages []string
	for _, server := range e.Servers {
		packages = append(packages, server.Package)
	}
	return install(packages)
}

// Find looks for every server that the stack can start, and asks the ones it
// finds for their versions.
func Find() []Server {
	servers := defaultFinder().servers()
	for i := range servers {
		servers[i].Version = version(servers[i])
	}
	return servers
}

// Missing returns a *MissingError for those of the servers that were not found,
// or nil.
func Missing(servers []Server) error {
	missing := slices.DeleteFunc(slices.Clone(servers), func(s Server) bool { return s.Path != "" })
	if len(missing) == 0 {
		return nil
	}
	return &MissingError{Servers: missing}
}

// need returns an error if the server of that name is missing. It lists all that are, so that
// they can be installed in one go.
func (f finder) need(name string) error {
	servers := f.servers()
	if slices.ContainsFunc(servers, func(s Server) bool { return s.Name == name && s.Path == "" }) {
		return Missing(servers)
	}
	return nil
}

func (f finder) servers() []Server {
	servers := []Server{
		{Name: postgresName, Package: "postgresql"},
		{Name: redisName, Package: "redis-server"},
		{Name: zooKeeperName},
	}
	if bin := f.postgres(); bin != "" {
		servers[0].Path = filepath.Join(bin, "postgres")
	}
	servers[1].Path = f.redis()
	java, jar := f.zooKeeper()
	if java != "" {
		servers[2].Path = jar
	}
	if runtime.GOOS == "darwin" {
		servers[0].Package, servers[1].Package, servers[2].Package = "postgresql@17", "redis", "zookeeper"
	} else {
		servers[2].Package = zooKeeperPackages(java, jar)
	}
	for i, server := range servers {
		if server.Path == "" {
			servers[i].Install = install([]string{server.Package})
		}
	}
	return servers
}

// zooKeeperPackages returns Debian's packages for what is missing, and for both if nothing is:
// the package zookeeper would bring a whole desktop's Java.
func zooKeeperPackages(java, jar string) string {
	switch {
	case java == "" && jar != "":
		return "default-jre-headless"
	case java != "" && jar == "":
		return "libzookeeper-java"
	default:
		return "libzookeeper-java default-jre-headless"
	}
}

// install returns the command that installs packages, for this system and user.
func install(packages []string) string {
	if runtime.GOOS == "darwin" {
		return "brew install " + strings.Join(packages, " ")
	}
	release, _ := os.ReadFile("/etc/os-release") // without it, Debian is assumed
	sudo := "sudo "
	if os.Geteuid() == 0 {
		sudo = ""
	}
	return installOn(string(release), sudo, packages)
}

// installOn returns that command for a Linux with that /etc/os-release. On Ubuntu Chromium is a
// snap: the package of that name does not exist, or asks for the snap.
func installOn(release, sudo string, packages []string) string {
	const snap = "chromium"
	var commands []string
	ubuntu := slices.Contains(strings.Split(release, "\n"), "ID=ubuntu")
	packaged := slices.DeleteFunc(slices.Clone(packages), func(p string) bool { return ubuntu && p == snap })
	if len(packaged) > 0 {
		commands = append(commands, sudo+"apt-get update", sudo+"apt-get install -y "+strings.Join(packaged, " "))
	}
	if len(packaged) < len(packages) {
		commands = append(commands, sudo+"snap install "+snap)
	}
	return strings.Join(commands, " && ")
}

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

// version runs a server's program to ask for its version.
func version(s Server) string {
	if s.Path == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Path, "--version")
	switch s.Name {
	case zooKeeperName:
		java, jar := defaultFinder().zooKeeper()
		cmd = exec.CommandContext(ctx, java, "-XX:-UsePerfData", "-cp", classPath(jar),
			"org.apache.zookeeper.version.VersionInfoMain")
	case haproxyName:
		cmd = exec.CommandContext(ctx, s.Path, "-v")
	}
	text, err := cmd.Output()
	if err != nil {
		return ""
	}
	return versionNumber.FindString(string(text))
}
