package stack

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A finder knows where to look for the servers.
type finder struct {
	path         []string // folders of programs, as in PATH
	postgresBins []string // patterns of further folders of PostgreSQL's programs
	javaBins     []string // folders of the java program, before path
	zooJars      []string // patterns of ZooKeeper's jar
	fakeTimes    []string // patterns of libfaketime
	libcs        []string // patterns of the C library
}

// defaultFinder looks where PATH, Debian and Homebrew put the servers.
func defaultFinder() finder {
	f := finder{
		path:         append(filepath.SplitList(os.Getenv("PATH")), "/opt/homebrew/bin", "/usr/local/bin", "/usr/sbin"),
		postgresBins: []string{"/usr/lib/postgresql/*/bin"},
		zooJars:      []string{"/usr/share/java/zookeeper.jar"},
		fakeTimes:    []string{"/usr/lib/*/faketime/libfaketime.so.1"},
		libcs:        []string{"/lib/*/libc.so.6"},
	}
	// Before PATH, where macOS has a java that only says how to install one.
	if home := os.Getenv("JAVA_HOME"); home != "" {
		f.javaBins = append(f.javaBins, filepath.Join(home, "bin"))
	}
	for _, brew := range []string{"/opt/homebrew/opt", "/usr/local/opt"} {
		f.postgresBins = append(f.postgresBins, brew+"/postgresql*/bin")
		f.javaBins = append(f.javaBins, brew+"/openjdk/bin")
		f.zooJars = append(f.zooJars, brew+"/zookeeper/libexec/lib/zookeeper-[0-9]*.jar")
	}
	return f
}

// postgres returns the folder of PostgreSQL's programs: the first in the path,
// else the newest of the others. It is empty if there is none.
func (f finder) postgres() string {
	complete := func(dir string) bool {
		return isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres"))
	}
	if i := slices.IndexFunc(f.path, complete); i >= 0 {
		return f.path[i]
	}
	dirs := slices.DeleteFunc(matches(f.postgresBins), func(dir string) bool { return !complete(dir) })
	if len(dirs) == 0 {
		return ""
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(major(a), major(b)) })
}

// redis returns the path of redis-server, or "".
func (f finder) redis() string { return program("redis-server", f.path) }

// zooKeeper returns the paths of java and of ZooKeeper's jar; what is missing is empty.
func (f finder) zooKeeper() (java, jar string) {
	java = program("java", append(slices.Clone(f.javaBins), f.path...))
	patterns := slices.Clone(f.zooJars)
	for _, dir := range f.path {
		// An unpacked release, whose scripts are in the path.
		if isProgram(filepath.Join(dir, "zkServer.sh")) {
			patterns = append(patterns, filepath.Join(dir, "../lib/zookeeper-[0-9]*.jar"))
		}
	}
	if jars := matches(patterns); len(jars) > 0 {
		jar = jars[0]
	}
	return java, jar
}

// classPath returns the class path that ZooKeeper's jar needs.
func classPath(jar string) string {
	lib := filepath.Dir(jar)
	if filepath.Base(jar) != "zookeeper.jar" {
		return filepath.Join(lib, "*")
	}
	// Debian's jar names its dependencies, but no log backend, and not all that TLS needs.
	jars := []string{jar}
	for _, name := range []string{"slf4j-simple", "netty-codec", "netty-resolver"} {
		jars = append(jars, filepath.Join(lib, name+".jar"))
	}
	return strings.Join(jars, string(filepath.ListSeparator))
}

// program returns the path of the first program of that name, or "".
func program(name string, dirs []string) string {
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path
		}
	}
	return ""
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func matches(patterns []string) []string {
	var found []string
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern) // its only error is a bad pattern
		found = append(found, paths...)
	}
	return found
}

var number = regexp.MustCompile(`[0-9]+`)

// major is the version number in a folder's name, or 0.
func major(dir string) int {
	parent := strings.TrimSuffix(dir, "/bin")
	n, _ := strconv.Atoi(number.FindString(filepath.Base(parent)))
	return n
}
