# Outlives the process that opened the stack and cleans up after it.
#
# Argument: the stack's folder. Standard input, one event on each line:
#   start GROUP SIGNAL   a process group runs; the signal (a number) ends it fast
#   stop GROUP           it has ended
# End of input means that the opener is gone, for whatever reason. Standard output: one line
# once signals have no effect any more.

trap '' HUP INT QUIT TERM PIPE
echo deaf
# Do not hold the opener's output open: its reader must not wait for this shell.
exec >/dev/null 2>&1
dir=$1
running=

while read -r event group signal; do
	case $event in
	start) running="$running $group:$signal" ;;
	stop)
		kept=
		for entry in $running; do
			[ "${entry%%:*}" = "$group" ] || kept="$kept $entry"
		done
		running=$kept
		;;
	esac
done

# await LIMIT waits, in tenths of a second, for every group to end.
await() {
	left=$1
	while [ "$left" -gt 0 ]; do
		alive=
		for entry in $running; do
			kill -0 "-${entry%%:*}" 2>/dev/null && alive=yes
		done
		[ "$alive" ] || return 0
		sleep 0.1
		left=$((left - 1))
	done
}

# A frozen process takes no signal but KILL, so each is woken as well.
for entry in $running; do
	kill "-${entry##*:}" "-${entry%%:*}" 2>/dev/null
	kill -CONT "-${entry%%:*}" 2>/dev/null
done
# PostgreSQL gives its own children 5 s before it kills them.
await 70
for entry in $running; do
	kill -KILL "-${entry%%:*}" 2>/dev/null
done
await 20

# A PostgreSQL that was killed leaves its pid file, which names the shared memory segment that
# it left too. In a container even root may remove only its own segments: then the segment's
# owner does it.
for file in "$dir"/*/postmaster.pid; do
	[ -f "$file" ] || continue
	segment=$(sed -n '7s/.* //p' "$file")
	ipcrm -m "$segment" && continue
	owner=$(ls -ld "$file" | awk '{print $3}')
	su -s /bin/sh "$owner" -c "ipcrm -m $segment"
done
rm -rf -- "$dir"
