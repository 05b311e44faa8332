package locking

import (
	"context"
	"slices"
	"strings"
)

// A passer is a keeper whose backend can hand a note on with a key.
type passer interface {
	// pass gives those of the grants that others wait for to them, each with its
	// note, and returns the others. If it could not find out, it returns them all.
	pass(ctx context.Context, held []grant, notes []string) (kept []grant)
}

// PassOn gives the keys to those who are known to wait for them, each with a note
// that they find with Note, and reports whether that has ended the lease, as
// Release does. Otherwise keys are left that nobody waits for, or nobody knows what
// became of them, and the lease goes on with them. Whoever takes these gets no note: what
// the notes say has to be written where others look for it before the lease is released.
// Who was told a note may leave without having used it, and the next is not told.
//
// It saves the next holder to ask for what this one knows: the value block of the
// VMS lock manager does that (W. E. Snaman, D. W. Thiel: The VAX/VMS Distributed
// Lock Manager, Digital Technical Journal 5, 1987). Every key needs a note; one
// that is empty, or has a bar, a colon or a line feed in it, cannot be handed on.
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
	if len(kept) > 0 { // written before they are released, which may take longer than they have left
		l.renewal.ended = false
		l.renewal.timer.Reset(l.renewalDue())
	}
	l.mu.Unlock()
	return len(kept) == 0 && l.Release(ctx) == nil
}

// Note returns what the holder before has left with the key for this lease, if it
// was passed on with a note.
func (l *Lease) Note(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, found := search(l.held, key); found {
		return l.held[i].note
	}
	return ""
}
