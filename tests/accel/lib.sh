# lib - what the tests of acceleration share. Sourced; needs tests/system/lib.sh beside it.
accel_dir=${accel_dir:-$(cd "$(dirname "$0")" && pwd)}
[ -f "$accel_dir/torture.c" ] || accel_dir=$(cd "$accel_dir/../accel" && pwd)
. "$accel_dir/../system/lib.sh"
alone accel
build_torture() { gcc -D_GNU_SOURCE -O2 -o "$1" "$accel_dir"/torture.c "$accel_dir"/streams.c "$accel_dir"/calls.c "$accel_dir"/life.c -lpthread; }
# TORTURE: built before (in a guest the compiler takes long)
if [ -n "${TORTURE:-}" ]; then cp "$TORTURE" "$WORK/torture"; else build_torture "$WORK/torture" || exit 1; fi
# what the kernel cannot do on redirected sockets: an executable that was watched is left alone instead
REFUSABLE=waitall,trunc,rcvlowat,splice_in,zerocopy,oob,tcp_inq,bad_address,half_close_blocking
POLICY="items.accel.policy=[{select: \"exe ~ \\\"^$WORK/torture\$\\\"\", trust: true}]"

# accel_starts [--set ...]: an agent with the item on, for the test's program only; false where the kernel is refused.
accel_starts() {
	start_agent --set items.accel.on=true --set "$POLICY" ${ACCEL_AGENT:-} "$@"
	refused=$("$SONDE" items --json | jq -r 'select(.name == "accel" and .state == "skipped") | .reason')
	[ -z "$refused" ] || { ok "accel is refused here: $refused"; stop_agent; return 1; }
}
# closed_by_cookie FILE: the records of connections that ended, into FILE
follow_into() { "$SONDE" accel --follow --json >"$1" & follower=$!; at_end "kill $follower 2>/dev/null"; }
drained() { [ "$(metric sonde_accel_connections state=accelerated)" = 0 ]; }
# torture_compared SEED [CASE]...: each case without and with acceleration; what a program sees must be the same, and 90 %
# of each connection's bytes redirected.
torture_compared() {
	torture_seed=$1; shift
	"$WORK/torture" -s "$torture_seed" "$@" >"$WORK/plain" 2>"$WORK/plain.times"
	accel_starts || return 0
	# (before 929e30f93125 kernels do not count redirected bytes: the first FIONREAD sends a connection to TCP)
	[ "$(metric sonde_accel_self_test check=fionread_redirected used=true)" = 1 ] || REFUSABLE=$REFUSABLE,fionread_cold,fionread_later,fionread_driven
	echo "# form: $(get /metrics | sed -n 's/^sonde_accel_self_test{check="order",form="\([a-z]*\)",used="true".*/\1/p')"
	follow_into "$WORK/records"
	"$WORK/torture" -s "$torture_seed" -w 30000 "$@" >"$WORK/fast" 2>"$WORK/fast.times"
	wait_for 30 drained; sleep 0.5
	kill "$follower"; wait "$follower" 2>/dev/null
	stop_agent
	python3 "$accel_dir/compare.py" "$WORK/plain" "$WORK/fast" "$WORK/records" "$REFUSABLE" >"$WORK/compared"
	cat "$WORK/compared"
	failures=$((failures + $(grep -c '^not ok' "$WORK/compared")))
}
