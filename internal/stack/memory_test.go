package stack

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A segment of shared memory: a file, or the number of a System V segment.
type segment string

func (s segment) exists() bool {
	if strings.HasPrefix(string(s), "/") {
		_, err := os.Lstat(string(s))
		return err == nil
	}
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return false
	}
	return regexp.MustCompile(`(?m)^ *\S+ +` + string(s) + ` `).Match(table)
}

// sharedMemory lists what processes keep outside dir: named segments that they
// map, and the one that PostgreSQL's pid file names.
func sharedMemory(dir string, pids []int) []segment {
	var found []segment
	named := regexp.MustCompile(`/dev/shm/\S+`)
	for _, pid := range pids {
		maps, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "maps"))
		if err != nil {
			continue
		}
		for _, file := range named.FindAllString(string(maps), -1) {
			found = append(found, segment(file))
		}
	}
	// Its seventh line: the key and the number of the segment.
	text, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if lines := strings.Split(string(text), "\n"); err == nil && len(lines) > 6 {
		if fields := strings.Fields(lines[6]); len(fields) == 2 {
			found = append(found, segment(fields[1]))
		}
	}
	return found
}

// checkFreed fails the test for each segment that still exists.
func checkFreed(t *testing.T, segments []segment) {
	t.Helper()
	for _, segment := range segments {
		if segment.exists() {
			t.Errorf("shared memory %s is still there", segment)
		}
	}
}
