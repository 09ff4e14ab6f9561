#!/bin/sh
# tcp_state.sh - what tcp_state costs: a web server with short connections, and many connections that are there.
#	bench/tcp_state.sh [ROUNDS [SECONDS]]
# Each round runs the load three times: without, with, and without the item again. The third against the first is the
# spread of a row that runs nothing. CPU per request is of all processes of the machine (/proc/stat), so run it when
# the machine is quiet; the load average is printed. Then: CPU of the agent for one reading a second of its metrics,
# against `ss -tan` once a second.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk jq curl gcc
ROUNDS=${1:-9} SECONDS_EACH=${2:-4}
COUNTS=${COUNTS-10000 50000 200000}
agent_start_with_nothing_on
"$SONDE" items on tcp_state >/dev/null || exit 1
nginx_start 28471
# load NAME: a line "NAME requests/s, CPU a request of all processes, and of nginx and wrk alone (us)"
load() {
	worker=$(pgrep -P "$(cat "$W/nginx.pid")")
	before=$(busy_ns) from=$(cut -d' ' -f1 /proc/$worker/schedstat)
	WRK="wrk -t1 -c16 -d${SECONDS_EACH}s -H 'Connection: close' http://127.0.0.1:28471/" TIMEFORMAT='%3U %3S' \
		bash -c 'time eval "$WRK"' >"$W/wrk" 2>"$W/time" || exit 1
	after=$(busy_ns) to=$(cut -d' ' -f1 /proc/$worker/schedstat)
	awk -v name="$1" -v busy=$((after - before)) -v ns=$((to - from)) -v client="$(awk '{ print ($1 + $2) * 1e6 }' "$W/time")" '
		/requests in/{ n = $1 } /^Requests\/sec/{ print name, $2, busy / 1000 / n, (ns / 1000 + client) / n }' "$W/wrk" >>"$W/rows"
}
machine before
"$SONDE" items off tcp_state >/dev/null
load warm; : >"$W/rows"
i=0
while [ $i -lt "$ROUNDS" ]; do
	load without
	"$SONDE" items on tcp_state >/dev/null; load with; "$SONDE" items off tcp_state >/dev/null
	load again
	i=$((i + 1))
done
echo "nginx, a connection for each request, $ROUNDS rounds of $SECONDS_EACH s: medians (and quartiles)"
awk '
	{ speed[$1, ++n[$1]] = $2; cpu[$1, n[$1]] = $3; own[$1, n[$1]] = $4 }
	function sorted(count,   i, j, t) { for (i = 2; i <= count; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t } }
	function show(what, count) { sorted(count); printf "  %-52s %9.4g  (%.4g .. %.4g)\n", what, v[int((count + 1) / 2)], v[int((count + 3) / 4)], v[int((3 * count + 1) / 4)] }
	END {
		c = n["without"]
		for (i = 1; i <= c; i++) v[i] = speed["without", i]; show("requests a second without", c)
		for (i = 1; i <= c; i++) v[i] = speed["with", i]; show("requests a second with tcp_state", c)
		for (i = 1; i <= c; i++) v[i] = 2 * speed["with", i] / (speed["without", i] + speed["again", i]); show("ratio with / without", c)
		for (i = 1; i <= c; i++) v[i] = speed["again", i] / speed["without", i]; show("ratio without / without (spread)", c)
		for (i = 1; i <= c; i++) v[i] = cpu["without", i]; show("CPU a request without, us (all processes)", c)
		for (i = 1; i <= c; i++) v[i] = cpu["with", i]; show("CPU a request with, us", c)
		for (i = 1; i <= c; i++) v[i] = 2 * cpu["with", i] / (cpu["without", i] + cpu["again", i]); show("ratio of CPU with / without", c)
		for (i = 1; i <= c; i++) v[i] = cpu["again", i] / cpu["without", i]; show("ratio of CPU without / without (spread)", c)
		for (i = 1; i <= c; i++) v[i] = own["without", i]; show("CPU a request of nginx and wrk without, us", c)
		for (i = 1; i <= c; i++) v[i] = own["with", i]; show("CPU a request of nginx and wrk with, us", c)
		for (i = 1; i <= c; i++) v[i] = 2 * own["with", i] / (own["without", i] + own["again", i]); show("ratio of it with / without", c)
		for (i = 1; i <= c; i++) v[i] = own["again", i] / own["without", i]; show("ratio of it without / without (spread)", c)
	}' "$W/rows"
nginx_stop

# ---- connections that are there ----
gcc -O1 -o "$W/tcp_case" "$here/../tests/system/tcp_case.c" || exit 1
"$SONDE" items on tcp_state >/dev/null
pids=$(agent_pids)
per_process=5000 # pairs: two sockets each
made=0 rss0=$(rss_kib $pids)
echo "many sockets on loopback, half of them outgoing; 10 readings, one a second:"
printf '  %9s %9s %14s %14s %12s %14s\n' sockets counted "agent ms/s" "ss -tan ms/s" "agent/ss" "agent RSS KiB"
for count in $COUNTS; do
	while [ $made -lt "$count" ]; do
		mkfifo "$W/in.$made"
		"$W/tcp_case" hold $((30000 - made / 10000)) $per_process <>"$W/in.$made" >"$W/out.$made" & # (<>: never at its end)
		at_end "kill $!"
		until grep -q held "$W/out.$made" 2>/dev/null; do kill -0 $! || { echo "cannot hold $count sockets here"; exit 0; }; sleep 0.1; done
		made=$((made + 2 * per_process))
	done
	sleep 2
	counted=$(scrape | awk '/^sonde_tcp_connections.*state="established"/ && /process="tcp_case"/{ n += $NF } END { print n }')
	sleep 1.1; a=$(cpu_ns $pids)
	i=0; while [ $i -lt 10 ]; do scrape >/dev/null; sleep 1.1; i=$((i + 1)); done
	b=$(cpu_ns $pids)
	ss_ms=$( { TIMEFORMAT='%U %S' bash -c 'time (for i in 1 2 3 4 5 6 7 8 9 10; do ss -tan >/dev/null; done)'; } 2>&1 | awk '{ print ($1 + $2) * 1000 }')
	awk -v n="$made" -v c="$counted" -v a=$(((b - a) / 1000000)) -v s="$ss_ms" -v r="$(rss_kib $pids)" 'BEGIN { printf "  %9d %9d %14.1f %14.1f %12.3f %14d\n", n, c, a / 10, s / 10, a / s, r }'
done
echo "resident before: $rss0 KiB"
"$SONDE" self | awk '$1 == "tcp_state" { print "  " $0 }'
machine after
