package locking

import (
	"testing"
	"time"
)

// A message grants a lock only if it is about the lock that is waited for, and was sent after
// the latest answer: an older one is out of date.
func TestRedisHolder_messagesThatGrantNothing(t *testing.T) {
	t.Parallel()
	const last = 100
	lock, _, _ := redisNames("a")
	other, _, _ := redisNames("b")
	now := time.Now()
	for name, row := range map[string]struct {
		wake redisWake
		sent time.Time
		acks int
		want bool
	}{
		"the turn":                     {redisWake{wakeTurn, lock, last + 1, "n"}, now, 0, true},
		"overtaken by an answer":       {redisWake{wakeTurn, lock, last, "n"}, now, 0, false},
		"about another lock":           {redisWake{wakeTurn, other, last + 1, "n"}, now, 0, false},
		"the claim may be over":        {redisWake{wakeTurn, lock, last + 1, "n"}, now.Add(-maxHandoverTTL), 0, false},
		"not a message":                {redisWake{cause: wakeReconnect}, now, 0, false},
		"it has to be acknowledged":    {redisWake{wakeTurn, lock, last + 1, "n"}, now, 1, false},
		"the claim is nearly over, so": {redisWake{wakeTurn, lock, last + 1, "n"}, now.Add(-maxHandoverTTL * 9 / 10), 0, false},
	} {
		h := &redisHolder{redis: &Redis{handoverTTL: maxHandoverTTL, minHandoverLeft: maxHandoverTTL / 4, acks: row.acks}}
		g, ok := h.passed(row.wake, acquireReply{sent: row.sent, last: last}, "a")
		if ok != row.want {
			t.Errorf("%s: passed() = %v", name, ok)
		}
		if end := row.sent.Add(maxHandoverTTL); ok && (g.token != last+1 || g.note != "n" || g.until.After(end)) {
			t.Errorf("%s: granted %+v, want the token %d, the note n, until before %v", name, g, last+1, end)
		}
	}
}

func TestRedisHub_messages(t *testing.T) {
	t.Parallel()
	h := &redisHub{waiters: make(map[string]chan redisWake), demands: make(map[string]*demand)}
	woken, wanted := h.join("shop|1:P:7")
	for _, broken := range []string{"", "1", "1|", "1|x|y", "1|99|short", "1|-1|x", "x|1|y", "1|9|shop|1:P:"} {
		h.wake(broken)
	}
	h.wake("42|10|shop|1:P:7orderd:lock:{1}:a|b\n12 units")
	select {
	case w := <-woken:
		if w != (redisWake{wakeTurn, "orderd:lock:{1}:a|b", 42, "12 units"}) {
			t.Errorf("woken with %+v", w)
		}
	default:
		t.Error("not woken")
	}
	h.wake("0|10|shop|1:P:8orderd:lock:{1}:a|b") // somebody else's
	select {
	case <-wanted.made:
		t.Error("told that others wait for what another holds")
	default:
	}
	h.leave("shop|1:P:7") // it holds
	h.wake("0|10|shop|1:P:7orderd:lock:{1}:a|b")
	select {
	case <-wanted.made:
	default:
		t.Error("not told that others wait")
	}
	h.part("shop|1:P:7")
	h.wake("0|10|shop|1:P:7orderd:lock:{1}:a|b")
	h.wake("43|10|shop|1:P:7orderd:lock:{1}:a|b")
}
