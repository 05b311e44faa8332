// Package deploy holds files that ship with orderd, for those who try them.
package deploy

import _ "embed" // for the files

// HAProxy is haproxy.cfg.
//
//go:embed haproxy.cfg
var HAProxy string
