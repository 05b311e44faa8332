package stack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// psLimit bounds the listing of processes by ps.
const psLimit = 5 * time.Second

// signalTree sends a signal to a process group and to every descendant of its
// leader, which it returns. The group alone is not enough: each backend of
// PostgreSQL is the leader of a group of its own.
func signalTree(leader int, sig syscall.Signal) (below []int, err error) {
	if sig != syscall.SIGCONT {
		// A stopped leader starts no process while they are listed, and those of a dead one
		// could not be found any more.
		if err := signalPid(-leader, syscall.SIGSTOP); err != nil {
			return nil, err
		}
	}
	below, err = descendants(leader)
	if err != nil {
		return nil, err
	}
	for _, pid := range below {
		// One that is gone by now needs no signal.
		if err := signalPid(pid, sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return below, err
		}
	}
	return below, signalPid(-leader, sig)
}

func signalPid(pid int, sig syscall.Signal) error {
	err := syscall.Kill(pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// state returns a process's state letter, Z for one that is only left to be reaped, or "" if
// there is none. Without /proc, a process that exists counts as running.
func state(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err == nil {
		return string(text[bytes.LastIndexByte(text, ')')+2])
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return ""
	}
	return "R"
}

// alive reports whether a process still has memory and files.
func alive(pid int) bool {
	s := state(pid)
	return s != "" && s != "Z"
}

// descendants lists the children of a process, theirs, and so on.
func descendants(root int) ([]int, error) {
	parents, err := parents()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for pid, parent := range parents {
		children[parent] = append(children[parent], pid)
	}
	found := children[root]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found, nil
}

// parents maps each process to its parent.
func parents() (map[int]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return parentsByPS()
	}
	found := make(map[int]int, len(stats))
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		var pid, parent int
		var state string
		// pid (name) state parent …, and the name may hold anything.
		name := bytes.LastIndexByte(text, ')')
		_, err1 := fmt.Sscan(string(text), &pid)
		_, err2 := fmt.Sscan(string(text[name+1:]), &state, &parent)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		found[pid] = parent
	}
	return found, nil
}

// parentsByPS is for systems without /proc, such as macOS.
func parentsByPS() (map[int]int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), psLimit)
	defer cancel()
	text, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	found := map[int]int{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var pid, parent int
		if _, err := fmt.Sscan(lines.Text(), &pid, &parent); err != nil {
			return nil, err
		}
		found[pid] = parent
	}
	return found, nil
}
