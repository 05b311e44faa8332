package audit

// quickLevelConverges checks that Redis has the level of Postgres once all is
// quiet, or none. More than the truth is the dangerous way to be wrong; an
// older version with the same level will not stay right.
func quickLevelConverges(b *books) (Verdict, string) {
	if b.Levels == nil {
		return silent()
	}
	known := 0
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
		case l.Quick.Version != l.Version:
			return found("Redis is at version %d%s, Postgres at version %d", l.Quick.Version, of, l.Version)
		default:
			known++
		}
	}
	return held("%d of %d levels are in Redis, and right", known, len(b.Levels))
}
