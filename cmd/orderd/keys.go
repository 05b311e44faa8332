package main

import (
	"fmt"
	"os"
	"strings"

	"orderd/internal/access"
)

// keysVariable names the variable that holds the key lines themselves, or @FILE.
const keysVariable = "ORDERD_API_KEYS"

// keysCommand is orderd keys.
type keysCommand struct {
	New newKeyCommand `cmd:"" help:"Make a key for a client. Prints the key, for the client alone, and the line for --api-keys, which holds only its hash."`
}

type newKeyCommand struct {
	Client string      `required:"" placeholder:"NAME" help:"Who the key is for: letters, digits, '.', '_' and '-'. A client may have two keys, one in use and one to take its place."`
	Role   access.Role `required:"" enum:"buyer,admin" help:"What the client may do: ${enum}."`
}

// Run prints the key, and the line below it.
func (c *newKeyCommand) Run(to streams) error {
	key, line, err := access.NewKey(access.Client{Name: c.Client, Role: c.Role})
	if err != nil {
		return fmt.Errorf("--%w (%w: see orderd keys new --help)", err, errUsage)
	}
	_, err = fmt.Fprintf(to.out, "%s\n%s\n", key, line)
	return err
}

// A keySource is where the lines of the API keys come from.
type keySource struct {
	setting string // the flag or the variable, for errors
	file    string // "": the lines are in text
	text    string
}

// keySource returns where the keys come from, or nil if there are none. Everybody on the
// machine can read arguments, so the flag may name a file only.
func (c *serveCommand) keySource() *keySource {
	if c.APIKeys != nil {
		return &keySource{setting: "--api-keys", file: *c.APIKeys}
	}
	value := os.Getenv(keysVariable)
	if file, ok := strings.CutPrefix(value, "@"); ok {
		return &keySource{setting: keysVariable, file: file}
	}
	if value == "" {
		return nil
	}
	return &keySource{setting: keysVariable, text: value}
}

// load replaces the accepted keys by those of the source. The error does not quote the setting,
// which may be a key put in the wrong place.
func (s *keySource) load(keys *access.Keys) error {
	text := s.text
	if s.file != "" {
		content, err := readNamed(s.file)
		if err != nil {
			return fmt.Errorf("%s: cannot read the file: %w", s.setting, err)
		}
		text = string(content)
	}
	if err := keys.Replace(strings.NewReader(text)); err != nil {
		return fmt.Errorf("%s: %w", s.setting, err)
	}
	return nil
}

// openKeys returns the API keys, which are reloaded when their file changes, or nil if there
// are none and clients are not told apart.
func (c *serveCommand) openKeys(changes *reloader) (*access.Keys, error) {
	source := c.keySource()
	if source == nil {
		return nil, nil
	}
	keys := &access.Keys{}
	var files []string
	if source.file != "" {
		files = []string{source.file}
	}
	return keys, changes.follow("API keys", func() error { return source.load(keys) }, files...)
}

// openLimits returns the rate limits, or nil if there are none.
func (c *serveCommand) openLimits() *access.Limits {
	if c.RateLimit == (access.Rate{}) && c.ClientRate == (access.Rate{}) {
		return nil
	}
	return access.NewLimits(c.ClientRate, c.RateLimit)
}
