#!/bin/sh
# store.sh - what the history costs: on rows made by a generator (store_bench SEED), and on requests that were really made.
#	bench/store.sh [SECONDS [SEED]]		KEEP_ROWS=FILE keeps what was recorded
# The real ones: nginx with wrk, PostgreSQL with pgbench, Redis with redis-benchmark, every single exchange seen on both ends
# and written down by `sonde requests --follow --json`.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk redis-server redis-benchmark pgbench jq ninja
SECONDS_EACH=${1:-20} SEED=${2:-$(date +%s)}
BUILD=${BUILD:-$here/../build}
PORT=28491 REDIS_PORT=28492 PG_PORT=28493
ninja -C "$BUILD" bench/store_bench bench/store_recorded_bench >"$W/out" || fail "the benches do not build"

machine before
"$BUILD/bench/store_bench" "$((SEED % 65536))" || goals=missed

nginx_start $PORT
redis-server --port $REDIS_PORT --bind 127.0.0.1 --save '' --appendonly no --dir "$W" --daemonize yes --pidfile "$W/redis.pid" >/dev/null || fail "redis does not start"
at_end 'kill $(cat "$W/redis.pid")'
PG=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir "$W/pg" && chown postgres "$W/pg"
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
as_postgres "$PG/initdb" -D "$W/pg" -A trust >"$W/out" 2>&1 || fail "initdb"
as_postgres "$PG/postgres" -D "$W/pg" -p $PG_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories='' >"$W/pg.log" 2>&1 &
at_end "kill $!"
tries=0; until pgbench -h 127.0.0.1 -p $PG_PORT -U postgres -i -s 5 postgres >"$W/out" 2>&1; do tries=$((tries + 1)); [ $tries -lt 60 ] || fail "postgres does not start"; sleep 0.5; done

# paths of a small shop, a tenth of them wrong
cat >"$W/mix.lua" <<'LUA'
local n = 0
request = function()
	n = n + 1
	local kind = n % 10
	if kind == 0 then return wrk.format("GET", "/missing/" .. n % 97) end
	if kind < 4 then return wrk.format("GET", "/item/" .. n % 1000) end
	if kind < 6 then return wrk.format("POST", "/cart/" .. n % 50, nil, string.rep("x", 20 + n % 300)) end
	return wrk.format("GET", "/?page=" .. n % 20)
end
LUA
agent_start_with_nothing_on
"$SONDE" items on requests usual=false >/dev/null || fail "cannot switch requests on"
"$SONDE" requests --follow --json --where "port in ($PORT, $PG_PORT, $REDIS_PORT)" -d $((SECONDS_EACH + 5)) >"$W/rows.jsonl" 2>"$W/follow.err" &
follow=$!
wrk -t1 -c1 -d"${SECONDS_EACH}s" -s "$W/mix.lua" http://127.0.0.1:$PORT/ >"$W/wrk.out" &
load_http=$!
pgbench -h 127.0.0.1 -p $PG_PORT -U postgres -n -c 2 -R 150 -T "$SECONDS_EACH" postgres >"$W/out" 2>&1 &
load_sql=$!
redis-benchmark -p $REDIS_PORT -t get,set,hset,lpush -n $((SECONDS_EACH * 200)) -c 1 -r 1000 --csv >"$W/out.redis"
wait $load_http $load_sql $follow
agent_stop
[ -z "${KEEP_ROWS:-}" ] || cp "$W/rows.jsonl" "$KEEP_ROWS"
echo "recorded: $(wc -l <"$W/rows.jsonl") rows, $(jq -r 'select(.protocol) | .protocol' "$W/rows.jsonl" | sort | uniq -c | awk '{ printf "%s%s %s", sep, $1, $2; sep = ", " }')"
"$BUILD/bench/store_recorded_bench" "$W/rows.jsonl" || goals=missed
machine after
[ "${goals:-met}" = met ]
