# lib - what the system tests share: an agent of their own, waiting with a limit, lines of the test protocol.
# Sourced. Expects $SONDE (the binary); makes $SONDE_SOCKET and $WORK, and removes everything at the end.
set -u
SONDE=${SONDE:-$(cd "$(dirname "$0")/../.." && pwd)/build/sonde}
WORK=$(mktemp -d /tmp/sonde-test-XXXXXX)
chmod 755 "$WORK"
export SONDE_SOCKET=$WORK/sonde.sock
agent_pid=
failures=0
cleanups=

ok() { echo "ok $*"; }
not_ok() { echo "not ok $*"; failures=$((failures + 1)); }
# check NAME COMMAND...: the command's success is the test.
check() { checked=$1; shift; if "$@"; then ok "$checked"; else not_ok "$checked: $* failed"; fi; }
# equal NAME WANTED GOT
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: wanted '$2', got '$3'"; fi; }
# within NAME GOT LOW HIGH
within() {
	if awk -v x="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(x != "" && x >= a && x <= b) }'; then ok "$1 ($2)"; else not_ok "$1: $2 is not within $3..$4"; fi
}
# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	limit=$(($(date +%s) + $1)); shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -ge "$limit" ] && return 1
		sleep 0.05
	done
}
is_ready() { grep -q '^ready' "$WORK/agent.log"; }

# start_agent [--set ...]: an agent on the test's socket only.
start_agent() {
	: >"$WORK/agent.log" # the last one said ready too
	"$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$WORK/store" "$@" 2>"$WORK/agent.log" &
	agent_pid=$!
	wait_for 60 is_ready || { echo "not ok agent: did not become ready:"; cat "$WORK/agent.log"; exit 1; }
}
stop_agent() {
	[ -n "$agent_pid" ] || return 0
	kill -TERM "$agent_pid" 2>/dev/null
	wait "$agent_pid"; agent_status=$?
	agent_pid=
	return $agent_status
}
# get PATH: the API's answer.
get() { curl -s --max-time 20 --unix-socket "$SONDE_SOCKET" "http://localhost$1"; }
# metric NAME [LABEL=VALUE...]: sum of the series that have these labels.
metric() {
	series_of=$1; shift
	get /metrics | awk -v name="$series_of" -v wants="$*" '
		BEGIN { n = split(wants, want, " ") }
		index($0, name "{") == 1 || index($0, name " ") == 1 {
			for (i = 1; i <= n; i++) { split(want[i], kv, "="); if (index($0, kv[1] "=\"" kv[2] "\"") == 0) next }
			sum += $NF
		}
		END { printf "%.10g\n", sum }'
}
# alone NAME: waits until no other run of the same test is under way: a series is named after a process, so two runs at
# the same time would count each other's.
alone() { exec 3>"/tmp/sonde-test-$1.lock"; flock -w 120 3; }
at_end() { cleanups="$cleanups $*;"; }
finish() {
	status=$?
	stop_agent 2>/dev/null
	eval "$cleanups" 2>/dev/null
	rm -rf "$WORK"
	[ "$failures" = 0 ] || exit 1
	exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM
