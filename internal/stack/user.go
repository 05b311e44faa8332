package stack

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// serverUser returns the user that PostgreSQL runs as, since it refuses root: nil, for this
// process's own user, unless that is root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("find a user for PostgreSQL, which refuses root: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// tempBase returns the folder in which stacks make theirs: the system's temporary folder, or
// /tmp if the servers' user cannot enter that. Links are resolved, since servers report their
// folders so.
func tempBase(user *syscall.Credential) (string, error) {
	base, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return "", fmt.Errorf("find the temporary folder: %w", err)
	}
	if user == nil {
		return base, nil
	}
	for dir := base; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return "", fmt.Errorf("find the temporary folder: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return filepath.EvalSymlinks("/tmp")
		}
		if dir == filepath.Dir(dir) {
			return base, nil
		}
	}
}
