package locking

import "strings"

const (
	// pgHash is the SQL expression for the number of a key's lock. The seed keeps orderd's
	// locks apart from those that others take in the same database.
	pgHash = "hashtextextended(%s, 8245081412951601764)"

	pgNamePrefix = "orderd lock "
)

// pgTake takes locks in the order of the keys, up to the first that another session holds.
// The recursion is a loop: the server makes one row after the other, and none after a row
// that is not ok.
//
// The token is minted when all are taken, and no sooner: it is larger than those of earlier
// holders because they, too, minted theirs while they held the lock. It goes into the
// session's name, with the time in milliseconds, in hexadecimal, for operators: "orderd lock
// owner #token time".
//
// $1 the keys, $2 the name; {first} takes the first lock.
const pgTake = `
WITH RECURSIVE taken(n, ok) AS (
	SELECT 1, {first}
	UNION ALL
	SELECT n + 1, pg_try_advisory_lock({next}) FROM taken WHERE ok AND n < cardinality($1::text[])
),
counted AS MATERIALIZED (
	SELECT count(*) FILTER (WHERE ok) AS n FROM taken
),
granted AS MATERIALIZED (
	SELECT n, CASE WHEN n = cardinality($1::text[]) THEN nextval('orderd_lock_token') END AS token
	FROM counted
),
signed AS MATERIALIZED (
	SELECT n, token,
		' #' || token || ' ' || to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS mark
	FROM granted
)
SELECT n, coalesce(token, 0),
	CASE WHEN token IS NOT NULL
	THEN set_config('application_name', left($2::text, 63 - length(mark)) || mark, false) END IS NULL
FROM signed`

// pgGive releases the locks of the keys and makes sure that none is left: one may have been
// granted to a wait that was cancelled, and one that was taken twice, for two keys that
// collide, has to be released twice.
//
// $1 the keys, $2 the name. It says whether all were held.
const pgGive = `
WITH given AS MATERIALIZED (
	SELECT coalesce(bool_and(pg_advisory_unlock({key})), true) AS held FROM unnest($1::text[]) AS key
)
SELECT held, pg_advisory_unlock_all()::text || set_config('application_name', $2::text, false) IS NULL
FROM given`

// pgSeen selects the sessions that hold the lock of a key, $1, or wait for it.
const pgSeen = `
WITH lock AS (SELECT {one} AS id),
seen AS MATERIALIZED (
	SELECT a.pid, l.granted, a.state, a.state_change, coalesce(a.application_name, '') AS name
	FROM lock
	JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 1
		AND l.classid = ((lock.id >> 32) & 4294967295)::oid AND l.objid = (lock.id & 4294967295)::oid
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	JOIN pg_stat_activity a ON a.pid = l.pid
)`

// pgInspect returns the session that holds a key, or else one that waits for it, and the
// number of waiters. The time left, in milliseconds, is counted from the end of the session's
// last statement; $2 is the TTL. Postgres shows state and name of a session only to its own user
// and that one's members: without them the whole TTL is taken to be left.
const pgInspect = pgSeen + `
SELECT name, pid, granted,
	CASE WHEN state = 'active' OR state_change IS NULL THEN $2::bigint
	ELSE $2 + (extract(epoch FROM state_change - clock_timestamp()) * 1000)::bigint END,
	count(*) FILTER (WHERE NOT granted) OVER ()
FROM seen ORDER BY granted DESC LIMIT 1`

// pgEvict ends the session that holds a key if its token is $2, a text: in an owner that is
// not one of ours it may not be a number. It waits, for $3 milliseconds at most, until the
// session has ended, and says whether there was one and whether it has.
const pgEvict = pgSeen + `
SELECT count(*) > 0, coalesce(bool_and(pg_terminate_backend(pid, $3::bigint)), true)
FROM seen
WHERE granted AND substring(name FROM '^orderd lock .* #([0-9]+) [0-9a-f]+$') = $2::text`

// pgEnd ends sessions, identified by pid and start, and returns those that are still there.
const pgEnd = `
SELECT a.pid, pg_terminate_backend(a.pid)
FROM unnest($1::int[], $2::bigint[]) AS doubted(pid, began)
JOIN pg_stat_activity a ON a.pid = doubted.pid
	AND (extract(epoch FROM a.backend_start) * 1000000)::bigint = doubted.began`

// pgWho returns a session's pid, its start in microseconds, and how long it may be idle, in
// milliseconds.
const pgWho = `
SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint,
	(SELECT setting FROM pg_settings WHERE name = 'idle_session_timeout')::bigint
FROM pg_stat_activity WHERE pid = pg_backend_pid()`

// pgStatements are the statements that need the hash of a key.
type pgStatements struct {
	try, wait, give, inspect, evict string
}

func newPGStatements(hash string) pgStatements {
	of := func(key string) string { return strings.ReplaceAll(hash, "%s", key) }
	first, next := of("($1::text[])[1]"), of("($1::text[])[n + 1]")
	fill := func(sql, first string) string {
		return strings.NewReplacer(
			"{first}", first, "{next}", next, "{key}", of("key"), "{one}", of("$1::text"),
		).Replace(sql)
	}
	return pgStatements{
		try: fill(pgTake, "pg_try_advisory_lock("+first+")"),
		// pg_advisory_lock returns void, which as a text is empty.
		wait:    fill(pgTake, "pg_advisory_lock("+first+")::text = ''"),
		give:    fill(pgGive, ""),
		inspect: fill(pgInspect, ""),
		evict:   fill(pgEvict, ""),
	}
}
