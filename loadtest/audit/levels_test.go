package audit_test

import (
	"strings"
	"testing"

	"orderd/loadtest/audit"
)

// What a reconciler had to mend is right, and told.
func TestJudge_TellsOfAMendedLevel(t *testing.T) {
	t.Parallel()
	r := complete()
	r.Levels[0].Mended = true
	if got := named(audit.Judge(r), audit.QuickLevelRight); got.Verdict != audit.Held || !strings.Contains(got.Evidence, "only since the reconciler ran") {
		t.Errorf("%+v, want it held and told", got)
	}
	r.Levels[0].Quick = nil
	if got := named(audit.Judge(r), audit.QuickLevelRight); got.Verdict != audit.Held || got.Evidence != "0 of 1 levels are in Redis, and right" {
		t.Errorf("%+v, want a missing level to be no wrong one", got)
	}
}
