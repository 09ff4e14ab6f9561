#!/bin/sh
# All items on, processes and connections that come and go in thousands: when they are gone, no map has a key of theirs,
# and the agent holds the memory, the descriptors and the maps it held before. SOAK_SECONDS=3600 for the long run.
. "$(dirname "$0")/lib.sh"
seconds=${SOAK_SECONDS:-15}
gcc -O1 -o "$WORK/tcp_case" "$(dirname "$0")/tcp_case.c" || exit 1
start_agent --set items.syscalls.on=true
status=$("$SONDE" status --json)
broker=$(echo "$status" | jq .broker.pid) worker=$(echo "$status" | jq .worker.pid)
fds() { ls -l /proc/$broker/fd /proc/$worker/fd | grep -c anon_inode; } # programs, maps, links; not the history's files
rss() { awk '/^VmRSS/{ print $2 }' /proc/$worker/status; }
keys() { python3 "$(dirname "$0")/map_keys.py" "$1" $broker $worker | sort; }

# What comes and goes: shells in shells, threads, connections, open files, readers of a slow pipe.
processes() { while [ ! -e "$WORK/stop" ]; do for i in 1 2 3 4 5 6 7 8; do (/bin/true; echo $i | cat >/dev/null) & done; wait; echo 25; done >"$WORK/made.processes"; }
connections() { port=29000; while [ ! -e "$WORK/stop" ]; do "$WORK/tcp_case" life $((port += 1)) 100 >/dev/null 2>&1 && echo 100; [ $port -gt 29900 ] && port=29000; done >"$WORK/made.connections"; }
threads() { while [ ! -e "$WORK/stop" ]; do python3 -c 'import threading
for i in range(200):
    t = threading.Thread(target=lambda: open("/proc/self/stat").read()); t.start(); t.join()' && echo 200; done >"$WORK/made.threads"; }
load() {
	rm -f "$WORK/stop"
	processes & a=$!; connections & b=$!; threads & c=$!
	end=$(($(date +%s) + $1))
	while [ "$(date +%s)" -lt $end ]; do get /metrics >/dev/null; sleep 1; kill -0 $agent_pid 2>/dev/null || break; done
	touch "$WORK/stop"; wait $a $b $c
}
load 5 # tables and buffers that grow once have grown
rss_before=$(rss) fds_before=$(fds)
load "$seconds"
echo "# $(cat "$WORK"/made.* | awk '{ n += $1 } END { print n + 0 }') processes, threads and connections came and went"
if kill -0 $agent_pid; then ok "the agent is there"; else not_ok "the agent ended: $(cat "$WORK/agent.log")"; exit; fi
# Others of the machine end too, all the time: what was dead ten seconds ago is the measure.
keys dead >"$WORK/dead.before"
sleep 10
keys dead >"$WORK/dead.after"
keys maps >"$WORK/maps"
within "maps that were looked into" "$(wc -l <"$WORK/maps")" 15 200
equal "keys that were dead ten seconds ago" "" "$(comm -12 "$WORK/dead.before" "$WORK/dead.after" | cut -d' ' -f2- | head -n 5)"
equal "maps that are nearly full" "" "$(awk '$2 > $3 * 0.9{ printf "%s %d of %d; ", $1, $2, $3 }' "$WORK/maps")"
# one more or less: for a second of each minute the agent holds one to measure its programs' cost
within "descriptors are as many as before" "$(fds)" $((fds_before - 2)) $((fds_before + 2))
get /metrics | grep '^sonde_memory_bytes' | sort -t' ' -k2 -n | tail -n 5 | sed 's/^/# /'
within "resident memory, KiB (it was $rss_before)" "$(rss)" 0 $((160 << 10)) # a storm; at rest the budget is 64 MiB (bench/agent.sh)
equal "lost" "{}" "$("$SONDE" status --json | jq -c "del(.losses.exec).losses")" # exec: its events are large
"$SONDE" items --json | jq -c 'select(.events.lost > 0) | [.name, .events.lost_by_reason]' | sed 's/^/# lost: /'
