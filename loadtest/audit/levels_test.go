package audit_test

import (
	"strings"
	"testing"

	"orderd/loadtest/audit"
)

// A level that the reconciler had to repair is right, and the evidence says so.
func TestJudge_TellsOfAMendedLevel(t *testing.T) {
	t.Parallel()
	r := complete()
	r.Levels[0].Mended = true
	if got := named(audit.Judge(r), audit.QuickLevelRight); got.Verdict != audit.Held || !strings.Contains(got.Evidence, "only since the reconciler ran") {
		t.Errorf("%+v, want it held and told", got)
	}
	r.Levels[0].Quick = nil
	if got := named(audit.Judge(r), audit.QuickLevelRight); got.Verdict != "" {
		t.Errorf("%+v, want it left out where Redis has no level: it is neither right nor wrong", got)
	}
}
