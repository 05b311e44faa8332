package locking

import (
	"context"
	"slices"
	"strings"
)

// A passer is a keeper whose backend can hand over a key together with a note.
type passer interface {
	// pass hands those of the grants that have waiters to the first of them, each with its
	// note, and returns the rest. If it could not find out which have any, it returns them
	// all.
	pass(ctx context.Context, held []grant, notes []string) (kept []grant)
}

// PassOn hands each key that is known to have waiters to the first of them, together with a
// note that it reads with Note. It reports true if that ended the lease as Release would
// have. If it reports false, the lease goes on with the keys that have no waiter or whose
// fate is unknown: the caller must write what the notes say where others look for it, and
// then call Release. A waiter may give up without having used its note; the one after it gets
// none.
//
// It saves the next holder from asking for what this one knows, as the value block of the VMS
// lock manager does (W. E. Snaman, D. W. Thiel: The VAX/VMS Distributed Lock Manager, Digital
// Technical Journal 5, 1987). Every key needs a note; if one is empty, or contains a bar, a
// colon or a line feed, nothing is handed over.
func (l *Lease) PassOn(ctx context.Context, notes map[string]string) bool {
	p, able := l.keeper.(passer)
	if !able || l.Check(0) != nil {
		return false
	}
	l.mu.Lock()
	held := slices.Clone(l.held)
	l.mu.Unlock()
	texts := make([]string, len(held))
	for i, g := range held {
		texts[i] = notes[g.key]
		if texts[i] == "" || strings.ContainsAny(texts[i], "|:\n") {
			return false
		}
	}
	l.endRenewal()
	kept := p.pass(context.WithoutCancel(ctx), held, texts)
	l.mu.Lock()
	l.held = kept
	if len(kept) > 0 { // go on renewing: what the caller writes before its Release may take longer than they have left
		l.renewal.ended = false
		l.renewal.timer.Reset(l.renewalDue())
	}
	l.mu.Unlock()
	return len(kept) == 0 && l.Release(ctx) == nil
}

// Note returns the note that the previous holder passed on with the key, or "" if it left
// none.
func (l *Lease) Note(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, found := search(l.held, key); found {
		return l.held[i].note
	}
	return ""
}
