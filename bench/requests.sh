#!/bin/sh
# requests.sh - what the item `requests` costs, and what it sees.
#	bench/requests.sh [ROUNDS [SECONDS]]
# Loads: nginx + wrk with connections kept (the worst case: tiny answers, both CPUs busy) and the same at half of that
# rate; PostgreSQL + pgbench -S; redis-benchmark without and with pipelining. Client, server and agent share the CPUs. Each
# round runs a load without the item, with it, and without again: the last against the first is the spread of a row that
# runs nothing. CPU of an operation is that of all processes and the kernel. Then, of the rows with the item: the agent's own CPU for
# a million exchanges (each is seen twice here, by client and server), its memory, and how many of the server's
# exchanges were counted.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk redis-server redis-benchmark pgbench jq curl gcc
ROUNDS=${1:-7} SECONDS_EACH=${2:-4}
PORT=28481 REDIS_PORT=28482 PG_PORT=28483

gcc -D_GNU_SOURCE -O2 -w -o "$W/http_load" "$here/../tests/requests/http_load.c" || fail "http_load does not build"
nginx_start $PORT
redis-server --port $REDIS_PORT --bind 127.0.0.1 --save '' --appendonly no --dir "$W" --daemonize yes --pidfile "$W/redis.pid" >/dev/null || fail "redis does not start"
at_end 'kill $(cat "$W/redis.pid")'
PG=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir "$W/pg" && chown postgres "$W/pg"
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
as_postgres "$PG/initdb" -D "$W/pg" -A trust >"$W/out" 2>&1 || fail "initdb"
as_postgres "$PG/postgres" -D "$W/pg" -p $PG_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c autovacuum=off >"$W/pg.log" 2>&1 &
at_end "kill $!"
bench_sql() { pgbench -h 127.0.0.1 -p $PG_PORT -U postgres "$@" postgres 2>"$W/pgbench.err"; }
tries=0; until bench_sql -i -s 10 >"$W/out"; do tries=$((tries + 1)); [ $tries -lt 40 ] || fail "postgres does not start"; sleep 0.5; done

# Each load prints `OPERATIONS SECONDS`.
load_nginx() { wrk -t1 -c16 -d"${SECONDS_EACH}s" http://127.0.0.1:$PORT/ | awk '/requests in/{ n = $1; sub(",", "", $4); t = $4 + 0 } END { print n, t }'; }
load_half() { "$W/http_load" $PORT $((half * SECONDS_EACH)) 1 16 "$half" half / >/dev/null; echo $((half * SECONDS_EACH)) "$SECONDS_EACH"; }
load_postgres() { bench_sql -n -S -M prepared -c 4 -T "$SECONDS_EACH" | awk -v s="$SECONDS_EACH" '/transactions actually processed/{ split($NF, n, "/"); print n[1], s }'; }
redis_load() { # PIPELINE
	n=$((SECONDS_EACH * $2))
	redis-benchmark -p $REDIS_PORT -t get,set -n $n -c 16 -P "$1" --csv | awk -F'"' -v n=$n '/ET/{ ops += n; t += n / $4 } END { print ops, t }'
}
load_redis() { redis_load 1 25000; }
load_redis_16() { redis_load 16 200000; }
LOADS="nginx half postgres redis redis_16"

counted() { scrape | awk '/^sonde_request_duration_seconds_count\{/ && /side="server"/{ n += $NF } END { printf "%.0f\n", n }'; }
lost() { scrape | awk '/^sonde_item_events_total\{/ && /item="requests"/ && /stage="lost"/{ n += $NF } END { printf "%.0f\n", n }'; }
row() { # LOAD WHO
	if [ "$2" = requests ]; then
		"$SONDE" items on requests >/dev/null || fail "cannot switch requests on"
		pids=$(agent_pids) seen=$(counted) gone=$(lost) own=$(cpu_ns $pids)
	fi
	before=$(busy_ns)
	result=$("load_$1")
	after=$(busy_ns)
	if [ "$2" = requests ]; then
		sleep 0.3
		echo "$1 $result $(($(cpu_ns $pids) - own)) $(($(counted) - seen)) $(($(lost) - gone)) $(rss_kib $pids)" >>"$W/agent"
		"$SONDE" items off requests >/dev/null
	fi
	echo "$1 $2 $result $((after - before))" | awk '{ printf "%s %s %.1f %.1f\n", $1, $2, $3 / $4, $5 / $3 }' >>"$W/rows"
}

agent_start_with_nothing_on
machine before
half=$(load_nginx | awk '{ printf "%d\n", $1 / $2 / 2 }')
for load in $LOADS; do "load_$load" >"$W/out"; done
round=0
while [ $round -lt "$ROUNDS" ]; do
	for load in $LOADS; do for who in none requests again; do row "$load" "$who"; done; done
	round=$((round + 1))
done
echo "medians of $ROUNDS rounds of $SECONDS_EACH s, interleaved; half is $half requests a second"
awk -f "$here/compare.awk" "$W/rows"
echo
printf "%-12s %16s %14s %14s %10s %10s\n" LOAD "AGENT NS/OP" OPERATIONS COUNTED "LOST EVENTS" "RSS KIB"
awk '
	{ ops[$1] += $2; cpu[$1] += $4; seen[$1] += $5; lost[$1] += $6; if ($7 > rss[$1]) rss[$1] = $7; if (!($1 in known)) { known[$1]; name[++n] = $1 } }
	END { for (i = 1; i <= n; i++) { l = name[i]; printf "%-12s %16.0f %14d %14d %10d %10d\n", l, cpu[l] / ops[l], ops[l], seen[l], lost[l], rss[l] } }' "$W/agent"
echo
echo "each program, with the kernel's statistics on (some 40 ns of each run are theirs), under the load nginx:"
was=$(sysctl -n kernel.bpf_stats_enabled)
at_end "sysctl -qw kernel.bpf_stats_enabled=$was"
sysctl -qw kernel.bpf_stats_enabled=1
"$SONDE" items on requests >/dev/null
load_nginx >"$W/out"
sleep 2 # the agent reads the kernel's figures once a second
"$SONDE" self | awk '$1 == "maps" { exit } $1 == "requests" && $4 > 0'
machine after
