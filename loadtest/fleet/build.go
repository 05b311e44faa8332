// Package fleet starts what the laboratory tests: real servers, and several replicas of
// orderd on them, each in its own process.
package fleet

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is orderd's package path, for the Go tool.
const module = "orderd/cmd/orderd"

// build compiles orderd into dir and returns the binary's path. It only works in a checkout
// of the source.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "orderd")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, module).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build orderd (name a binary with --orderd instead): %w\n%s",
			err, strings.TrimSpace(string(out)))
	}
	return binary, nil
}
