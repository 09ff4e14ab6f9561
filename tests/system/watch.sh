#!/bin/sh
# `sonde ITEM` as people use it: a table for each kind of row, sums where they were asked for, the same with and without an agent.
. "$(dirname "$0")/lib.sh"
start_agent --set items.nic.on=false
rows() { "$SONDE" "$@" --json 2>"$WORK/errors"; }

# the whole machine is one row, and what ended meanwhile is in it
rows cpu --by host -d 2 -i 2 >"$WORK/rows" &
watcher=$!
i=0; while kill -0 $watcher 2>/dev/null; do /bin/true; i=$((i + 1)); done
wait $watcher
equal "by host: one row" 1 "$(wc -l <"$WORK/rows")"
# at least what this loop took, at most all CPUs (and the time it took to ask twice)
within "by host: CPU seconds of 2" "$(jq '(.user_ns + .system_ns) / 1e9' "$WORK/rows")" 0.5 "$(($(nproc) * 3))"
rows tcp_state --by host -d 1 -i 1 >"$WORK/rows"
equal "by host: one row for each state and direction" "$(jq -c '[.state, .direction]' "$WORK/rows" | sort -u | wc -l)" "$(wc -l <"$WORK/rows")"

# sums of a container or the host go on when processes end and are forgotten
counts() { get "/v1/records/$1?source=rows&by=host" | jq "[.records[].$2 // 0] | add"; }
fell=0 last=0
for i in 1 2 3 4 5 6 7 8; do
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/true; done
	now=$(counts cpu "user_ns"); [ "$now" -lt "$last" ] && fell=$((fell + 1)); last=$now
	sleep 0.7
done
equal "by host: the sum never fell" 0 $fell

# a process that ends between two readings is seen with what it used
cp /bin/dash "$WORK/shortlived"
rows cpu -d 3 -i 1 >"$WORK/rows" &
watcher=$!
sleep 0.5
"$WORK/shortlived" -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done'
wait $watcher
within "what ended meanwhile has its rows: CPU seconds" "$(jq -s '[.[] | select(.process == "shortlived") | .user_ns] | add / 1e9' "$WORK/rows")" 0.02 3

# rows that a user half makes: their tables, also when the item was off
(while [ ! -e "$WORK/enough" ]; do curl -s http://127.0.0.1:1/; done) & # refused, but it moves on the loopback
"$SONDE" nic -d 1 -i 1 >"$WORK/out"
: >"$WORK/enough"
check "nic: a table" grep -q '^INTERFACE .*RECEIVED_BYTES' "$WORK/out"
check "nic: the loopback moved" grep -q '^lo ' "$WORK/out"
equal "nic: off again" false "$("$SONDE" items --json | jq 'select(.name == "nic").on')"
"$SONDE" disk -d 1 -i 1 >"$WORK/out"
check "disk: a table of file systems" grep -q '^MOUNT .*FREE_BYTES' "$WORK/out"

# gauges are shown though nothing moves, the largest first
"$SONDE" mem -d 1 -i 1 -n 5 >"$WORK/out"
equal "mem: rows" 5 "$(awk '$1 ~ /^[0-9]+$/' "$WORK/out" | wc -l)"
equal "mem: in the order of memory" "" "$(rows mem -d 1 -i 1 -n 20 | jq -r .anon_bytes | awk '$1 > last && NR > 1{ print "not sorted at", NR } { last = $1 }')"
equal "mem: --sort" "" "$(rows mem -d 1 -i 1 -n 20 --sort virtual_bytes | jq -r .virtual_bytes | awk '$1 > last && NR > 1{ print "not sorted at", NR } { last = $1 }')"
equal "--columns: in the order asked for" "ANON_BYTES PID" "$("$SONDE" mem -d 1 -i 1 -n 1 --columns anon_bytes,pid | awk 'NR == 1{ print $1, $2 }')"
equal "--columns" "PID ANON_BYTES" "$("$SONDE" mem -d 1 -i 1 -n 1 --columns pid,anon_bytes | awk 'NR == 1{ print $1, $2 }')"
