package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// readNamed reads a file that a setting names. Its error does not quote the name, since
// somebody may have given the file's content instead.
func readNamed(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // which file is the operator's to say
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return text, err
}

// passwordIn finds passwords in URLs and in Postgres' keyword=value strings.
var passwordIn = regexp.MustCompile(`://[^/@\s]*:[^/@\s]+@|(?i)(^|[\s?&;])(sentinel_|ssl)?password\s*=\s*[^\s&]`)

// checkArguments refuses passwords among the arguments: everybody on the machine can read
// those, but only the process's owner its environment. The error names the flag and not its
// value.
func checkArguments(args []string) error {
	for i, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		switch {
		case strings.HasPrefix(arg, "--") && joined:
		case i > 0 && strings.HasPrefix(args[i-1], "--"):
			flag, value = args[i-1], arg
		default:
			flag, value = fmt.Sprintf("argument %d", i+1), arg
		}
		if passwordIn.MatchString(value) {
			return fmt.Errorf("%s: has a password in it, which everybody on this machine could read: set the environment variable instead (%w: see orderd --help)", flag, errUsage)
		}
	}
	return nil
}
