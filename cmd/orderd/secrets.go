package main

import (
	"fmt"
	"regexp"
	"strings"
)

// passwordIn finds passwords in URLs and in Postgres' other way of writing them.
var passwordIn = regexp.MustCompile(`://[^/@\s]*:[^/@\s]+@|(?i)(^|[\s?&;])(sentinel_)?password=[^\s&]`)

// checkArguments refuses passwords among the arguments: everybody on the machine
// can read those, while the environment is its owner's. The error names the flag
// and not what it holds.
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
			return fmt.Errorf("%s: has a password in it, which everybody on this machine could read: set the environment variable instead (%w)", flag, errUsage)
		}
	}
	return nil
}
