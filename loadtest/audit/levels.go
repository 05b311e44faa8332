package audit

import "strings"

// Right tells whether Redis answers what Postgres would, or nothing: a level that
// is missing is read from Postgres when somebody asks.
func (l Level) Right() bool {
	return l.Quick == nil || *l.Quick == Quick{l.OnHand, l.Version}
}

// quickLevelConverges checks that Redis has the level of Postgres once all is
// quiet, or none. More than the truth is the dangerous way to be wrong; an
// older version with the same level will not stay right.
func quickLevelConverges(b *books) (Verdict, string) {
	if b.Levels == nil {
		return silent()
	}
	known, mended := 0, 0
	for _, l := range b.Levels {
		of := (&book{sku: l.SKU}).of()
		switch {
		case l.Quick == nil: // it is rebuilt when somebody asks
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
		return silent() // it was not asked, or has lost them all
	}
	if mended > 0 {
		return held("%d of %d levels are in Redis, and right, %d of them only since the reconciler ran", known, len(b.Levels), mended)
	}
	return held("%d of %d levels are in Redis, and right", known, len(b.Levels))
}

// nothingHeld checks that nothing is left behind that others would wait for.
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
