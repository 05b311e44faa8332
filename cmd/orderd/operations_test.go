package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parserOf returns the parser of orderd's command line, and the settings that it fills in.
func parserOf(t *testing.T) (*kong.Kong, *commands) {
	t.Helper()
	c := &commands{}
	parser, err := kong.New(c, kong.Vars{"version": version(), "modes": modeList(), "replica": "HOST-PID"})
	if err != nil {
		t.Fatal(err)
	}
	return parser, c
}

// defaults returns the settings' defaults.
func defaults(t *testing.T) *commands {
	t.Helper()
	parser, c := parserOf(t)
	if _, err := parser.Parse([]string{"serve", "--database-url", "postgres://127.0.0.1/x", "--redis-url", "redis://127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// operations returns the operators' document.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settingOf returns the beginning of a setting's row in the table of its command.
func settingOf(flag *kong.Flag) string {
	variable := "–"
	if len(flag.Envs) > 0 {
		variable = "`" + flag.Envs[0] + "`"
	}
	if flag.Name == "api-keys" {
		variable = "`" + keysVariable + "`" // which may hold more than the flag may
	}
	value := "–"
	switch {
	case flag.Required:
		value = "needed"
	case flag.HasDefault:
		value = "`" + flag.Default + "`"
	}
	return fmt.Sprintf("| `--%s` | %s | %s |", flag.Name, variable, value)
}

// Every setting of orderd serve is in the table, with its variable and default, and no setting
// is documented that does not exist.
func TestOperations_TellOfEverySetting(t *testing.T) {
	t.Parallel()
	parser, _ := parserOf(t)
	text := operations(t)
	var known []string
	for _, command := range parser.Model.Leaves(true) {
		for _, flags := range command.AllFlags(true) {
			for _, flag := range flags {
				if flag.Name == "help" || flag.Name == "version" {
					continue
				}
				known = append(known, flag.Name)
				if row := settingOf(flag); command.Name == "serve" && !strings.Contains(text, "\n"+row) {
					t.Errorf("docs/operations.md lacks a line %s", row)
				}
			}
		}
	}
	for _, found := range regexp.MustCompile(`\bORDERD_[A-Z_]+\b`).FindAllString(text, -1) {
		row := "`" + found + "`"
		if found != zooKeeperAuth && !strings.Contains(text, "| "+row+" |") {
			t.Errorf("docs/operations.md names %s, which is no setting", found)
		}
	}
	for _, found := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, found[1]) {
			t.Errorf("docs/operations.md names --%s, which no command has", found[1])
		}
	}
}
