package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A referee tells whether a turn is the only one among all processes that use the same file.
// It asks the kernel and not the contender's server: each waiter opens the file on its own
// and tries, without waiting, to lock it.
type referee struct{ file *os.File }

func openReferee(path string) (*referee, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the referee's file: %w", err)
	}
	return &referee{file}, nil
}

// enter reports whether no other turn is under way. A caller that is not alone must not
// leave.
func (r *referee) enter() (alone bool, err error) {
	err = syscall.Flock(int(r.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	default:
		return false, fmt.Errorf("ask the referee: %w", err)
	}
}

func (r *referee) leave() { _ = syscall.Flock(int(r.file.Fd()), syscall.LOCK_UN) } // cannot fail: the file is open

func (r *referee) close() { r.file.Close() }
