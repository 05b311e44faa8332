package audit

import "strings"

// Right reports whether Redis answers what Postgres would, or has no level: a missing one is
// read from Postgres on demand.
func (l Level) Right() bool {
	return l.Quick == nil || *l.Quick == Quick{l.OnHand, l.Version}
}

// quickLevelConverges checks that Redis has the level of Postgres once all is quiet, or none.
// Too high is the dangerous error; an older version with the same level will not stay right.
func quickLevelConverges(b *books) (Verdict, string) {
	if b.Levels == nil {
		return silent()
	}
	known, mended := 0, 0
	for _, l := range b.Levels {
		of := ofSKU(l.SKU)
		switch {
		case l.Quick == nil: // it is rebuilt on demand
		case l.Quick.OnHand > l.OnHand:
			return found("Redis has %d left%s at version %d, Postgres %d at version %d: it promises what is not there",
				l.Quick.OnHand, of, l.Quick.Version, l.OnHand, l.Version)
		case l.Quick.OnHand < l.OnHand:
			return found("Redis has %d left%s at version %d, Postgres %d at version %d: it hides what is there",
				l.Quick.OnHand, of, l.Quick.Version, l.OnHand, l.Version)
		case !l.Right():
			return found("Redis is at version %d%s, Postgres at version %d", l.Quick.Version, of, l.Version)
		default:
			if known++; l.Mended {
				mended++
			}
		}
	}
	if known == 0 {
		return silent() // Redis was not asked, or has lost all levels
	}
	if mended > 0 {
		return held("%d of %d levels are in Redis, and right, %d of them only since the reconciler ran", known, len(b.Levels), mended)
	}
	return held("%d of %d levels are in Redis, and right", known, len(b.Levels))
}

// nothingHeld checks that no lock or transaction is left behind for which others would wait.
func nothingHeld(b *books) (Verdict, string) {
	switch {
	case b.Left == nil:
		return silent()
	case len(b.Left.Held) > 0:
		return found("left behind: %s", strings.Join(b.Left.Held, ", "))
	default:
		return held("nothing in %s", strings.Join(b.Left.Looked, ", "))
	}
}
