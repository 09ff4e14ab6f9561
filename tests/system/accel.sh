#!/bin/sh
# accel: connections under a rule are redirected and whole, others are left alone; killed, adopted, switched off and on
# under load nothing is lost. (A selection; all cases, and more rounds: `./test accel`.)
. "$(dirname "$0")/../accel/lib.sh"
CYCLES=${CYCLES:-1}

torture_compared 1 ping duplex_small big_write writers epoll_edges peek fionread_driven blocking before_accept defer_accept half_close \
	close_before_accept no_reader reuse ipv6

pins=$(ls -d /sys/fs/bpf/sonde-* 2>/dev/null | wc -l)
accel_starts || exit 0
moves() { now=$(metric sonde_accel_bytes_total process=torture); [ "${now:-0}" -gt "${before:-0}" ]; }
begin() { before=$(metric sonde_accel_bytes_total process=torture); }
load() { # NAME: a load that goes on until it is ended
	rm -f "$WORK/stop"
	STOP=$WORK/stop "$WORK/torture" -w 30000 _until_stopped >"$WORK/load" 2>&1 & load=$!
	begin; check "$1: new connections are redirected" wait_for 40 moves
}
end() { touch "$WORK/stop"; wait $load; equal "$1: nothing is lost" "_until_stopped: all of it is right" "$(grep -v '^bytes\|took' "$WORK/load" | head -n 1)"; }
silent() { ! get /healthz >/dev/null; }
kill_agent() { kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null; wait_for 30 silent; }
load killed
cycle=0
while [ $cycle -lt "$CYCLES" ]; do
	kill_agent
	accel_starts
	cycle=$((cycle + 1))
done
begin; check "a new agent adopts what a killed one left" wait_for 40 moves
"$SONDE" items off accel
end "killed and adopted"
equal "nothing is left pinned" "$pins" "$(ls -d /sys/fs/bpf/sonde-* 2>/dev/null | wc -l)"
"$SONDE" items on accel
load toggled
cycle=0
while [ $cycle -lt "$CYCLES" ]; do
	"$SONDE" items off accel; "$SONDE" items on accel
	"$SONDE" items on accel limit=$((1000000 + cycle))
	cycle=$((cycle + 1))
done
end "switched off and on, upgraded"
load orphaned
kill_agent; agent_pid=
end "without an agent"
accel_starts --set items.accel.policy='[]'
rm -f "$WORK/stop"; touch "$WORK/stop"; STOP=$WORK/stop "$WORK/torture" ping >/dev/null 2>&1
equal "without a rule nothing is touched" 0 "$(metric sonde_accel_connections)"
check "metrics of the self-test" test "$(metric sonde_accel_self_test check=order used=true)" = 1
says() { [ "$("$SONDE" accel preflight --json | jq -r 'select(.exe and (.exe | endswith("/torture"))) | .why // .verdict')" = "$1" ]; }
check "preflight knows who talks to neighbours" wait_for 20 says watching
"$WORK/torture" waitall tcp_inq splice_in >/dev/null 2>&1
check "and which calls forbid it" wait_for 20 says "MSG_WAITALL, TCP_INQ, splice"
stop_agent
accel_starts --set items.accel.policy='[]'
check "verdicts are known after a restart" wait_for 20 says "MSG_WAITALL, TCP_INQ, splice"
