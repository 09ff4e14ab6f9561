#!/bin/sh
# items.sh - what each item costs the programs it watches.
#	bench/items.sh [ROUNDS [SECONDS [ITEM...]]]		(an ITEM may be `default`: all that are on by default)
# Loads: nginx + wrk with connections kept and with one for each request, redis-benchmark, `dd bs=1`. Each round runs a load
# with nothing on, with each item alone, and with nothing again: the last against the first is the spread of a row that
# runs nothing. CPU of an operation is that of all processes and the kernel (/proc/stat), which is steadier than
# throughput on machines shared with others. At the end: ns of each program's run, with the kernel's statistics on
# (which themselves cost some 40 ns a run, so never in the rows above).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk redis-server redis-benchmark jq curl
ROUNDS=${1:-7} SECONDS_EACH=${2:-2}
[ $# -gt 2 ] && shift 2 || set --
WHO=${*:-$ITEMS default}
PORT=28471 REDIS_PORT=28472

nginx_start $PORT
redis-server --port $REDIS_PORT --bind 127.0.0.1 --save '' --appendonly no --dir "$W" --daemonize yes --pidfile "$W/redis.pid" >/dev/null || fail "redis does not start"
at_end 'kill $(cat "$W/redis.pid")'

# Each load prints `OPERATIONS SECONDS`.
wrk_with() { wrk -t1 -c16 -d"${SECONDS_EACH}s" "$@" http://127.0.0.1:$PORT/ | awk '/requests in/{ n = $1; sub(",", "", $4); t = $4 + 0 } END { print n, t }'; }
load_keep_alive() { wrk_with; }
load_short() { wrk_with -H 'Connection: close'; }
load_redis() { # about SECONDS of GET and SET at pipeline 1
	redis-benchmark -p $REDIS_PORT -t get,set -n $((SECONDS_EACH * 25000)) -c 16 --csv | awk -F'"' -v n=$((SECONDS_EACH * 25000)) '/ET/{ ops += n; t += n / $4 } END { print ops, t }'
}
load_dd() { # 2 system calls an operation
	n=$((SECONDS_EACH * 1000000))
	LC_ALL=C dd if=/dev/zero of=/dev/null bs=1 count=$n 2>&1 | awk -v n=$n '/copied/{ for (i = 1; i < NF; i++) if ($(i + 1) ~ /^s,/) t = $i } END { print n, t }'
}
LOADS="keep_alive short redis dd"

switch() { # on|off WHO
	case $2 in
	none | again) return ;;
	default) set -- "$1" $DEFAULTS ;;
	esac
	state=$1; shift
	for name in "$@"; do "$SONDE" items "$state" "$name" >/dev/null || fail "cannot switch $name $state"; done
}
row() { # LOAD WHO
	switch on "$2"
	before=$(busy_ns)
	result=$("load_$1")
	after=$(busy_ns)
	switch off "$2"
	echo "$1 $2 $result $((after - before))" | awk '{ printf "%s %s %.1f %.1f\n", $1, $2, $3 / $4, $5 / $3 }' >>"$W/rows"
}

agent_start_with_nothing_on
machine before
for load in $LOADS; do "load_$load" >/dev/null; done
round=0
while [ $round -lt "$ROUNDS" ]; do
	for load in $LOADS; do for who in none $WHO again; do row "$load" "$who"; done; done
	round=$((round + 1))
done
echo "medians of $ROUNDS rounds of $SECONDS_EACH s, interleaved"
awk -f "$here/compare.awk" "$W/rows"

echo
echo "ns of a run, statistics on, all loads once:"
was=$(sysctl -n kernel.bpf_stats_enabled)
at_end "sysctl -qw kernel.bpf_stats_enabled=$was"
sysctl -qw kernel.bpf_stats_enabled=1
for who in $WHO; do
	[ "$who" = default ] && continue
	switch on "$who"
	for load in $LOADS; do "load_$load" >/dev/null; done
	scrape >/dev/null
	sleep 2 # the agent reads the kernel's figures once a second
	"$SONDE" self | awk -v item="$who" '$1 == "maps" { exit } $1 == item && $4 > 0'
	switch off "$who"
done
machine after
