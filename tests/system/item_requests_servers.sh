#!/bin/sh
# requests against the counters of Redis, memcached, PostgreSQL, MariaDB and dnsmasq themselves; and no secret leaves.
. "$(dirname "$0")/../requests/lib.sh"

# count_of PROTOCOL PROCESS SIDE [LABEL=VALUE]: exchanges counted.
count_of() {
	protocol=$1 process=$2 side=$3; shift 3
	metric sonde_request_duration_seconds_count "protocol=$protocol" "process=$process" "side=$side" "$@"
}
# counts NAME WANTED PROTOCOL PROCESS SIDE [LABEL=VALUE]: within five seconds.
counts() {
	name=$1 wanted=$2; shift 2
	is_there() { [ "$(count_of "$@")" = "$wanted" ]; }
	wait_for 5 is_there "$@"
	equal "$name" "$wanted" "$(count_of "$@")"
}
secret=Kanarienvogel7391

start_agent --set items.exec.on=false # command lines hold what is planted
curl -sN --unix-socket "$SONDE_SOCKET" "http://localhost/v1/stream?item=requests" >"$WORK/everything" &
at_end "kill $!"

# ---- secrets in every place of HTTP; what came of them is looked at in the end ----
start_nginx
url=http://127.0.0.1:$nginx_port
basic=$(printf 'admin:%s' "$secret" | base64)
jwt=eyJhbGciOiJIUzI1NiJ9.$(printf '{"sub":"%s"}' "$secret" | base64 -w 0 | tr -d =).c2lnbmF0dXJlLW9mLXNvbWU
for path in "/?token=$secret" "/?q=1&access_token=$secret&x=2" "/?password=$secret#$secret" "/reset/$jwt" "/;jsessionid=$secret" "/missing?api_key=$secret"; do
	curl -s "$url$path" -H "Authorization: Bearer $secret" -H "Cookie: session=$secret" -H "X-Api-Key: $secret" -H "Proxy-Authorization: Basic $basic" \
		-H "Referer: http://x/?token=$secret" -A "bot/$jwt" -H "X-Request-Id: planted" >"$WORK/out"
done
curl -s -u "admin:$secret" "$url/broken" -d "password=$secret" >"$WORK/out"
curl -s -x "http://admin:$secret@127.0.0.1:$nginx_port" "http://admin:$secret@shop.example/missing?sig=$secret" >"$WORK/out"

# ---- Redis: its own counter of each command ----
redis_port=$(free_port)
redis=redis-$$ # others may run one too: series are named after processes
cp "$(command -v redis-server)" "$WORK/$redis"
"$WORK/$redis" --port "$redis_port" --save '' --dir "$WORK" --requirepass "$secret" >"$WORK/redis.log" &
at_end "kill $!"
wait_for 10 is_open "$redis_port"
redis() { redis-cli -p "$redis_port" -a "$secret" --no-auth-warning "$@"; }
calls() { redis info commandstats | sed -n "s/^cmdstat_$1:calls=\([0-9]*\),.*/\1/p"; }
redis config resetstat >"$WORK/out"
for pipeline in 1 16; do
	redis-benchmark -p "$redis_port" -a "$secret" -q -n 2000 -c 4 -P $pipeline -t set,get,lpush,sadd >"$WORK/out" 2>&1
done
redis lpush "user:$secret" "$secret" >"$WORK/out"
redis set "user:$secret" "$secret" >"$WORK/out"
redis lpush "user:$secret" "$secret" >"$WORK/out" # WRONGTYPE
for command in set get lpush sadd; do
	counts "redis: $command as the server counts" "$(calls $command)" redis "$redis" server "operation=$(echo $command | tr a-z A-Z)"
done
equal "redis: errors" 1 "$(metric sonde_request_errors_total protocol=redis process=$redis side=server operation=LPUSH)"

# A pipeline of 1000 in one write is longer than what is copied of one call; none of its pairs may be wrong.
i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); printf 'ECHO %d\r\n' $i; done >"$WORK/pipeline"
before=$(calls echo)
(printf 'AUTH %s\r\n' "$secret"; cat "$WORK/pipeline"; sleep 1) | socat - "TCP:127.0.0.1:$redis_port" >"$WORK/echoes"
within "redis: a pipeline of 1000" "$(count_of redis "$redis" server operation=ECHO)" 900 1000

# ---- memcached: its own statistics ----
cache_port=$(free_port)
memcached -u nobody -p "$cache_port" -l 127.0.0.1 &
at_end "kill $!"
wait_for 10 is_open "$cache_port"
cat >"$WORK/cache.py" <<EOC
import socket
s = socket.create_connection(('127.0.0.1', $cache_port))
f = s.makefile('rwb')
for i in range(500):
    f.write(b'set user:$secret:%d 0 0 5\r\nhello\r\n' % i); f.flush(); assert f.readline() == b'STORED\r\n'
    f.write(b'get user:$secret:%d\r\n' % (i + i % 2 * 1000)); f.flush()
    while f.readline() != b'END\r\n': pass
f.write(b'stats\r\n'); f.flush()
stats = {}
while (line := f.readline()) != b'END\r\n': stats[line.split()[1].decode()] = line.split()[2].decode()
print(stats['cmd_get'], stats['cmd_set'])
EOC
set -- $(python3 "$WORK/cache.py")
counts "memcached: get as the server counts" "$1" memcached memcached server operation=get
counts "memcached: set as the server counts" "$2" memcached memcached server operation=set

# ---- PostgreSQL: pg_stat_statements would need the package contrib; its statistics of transactions do ----
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
chmod 755 "$WORK"; mkdir "$WORK/pg"; chown postgres "$WORK/pg"
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
pg_port=$(free_port)
as_postgres "$bin/initdb" -D "$WORK/pg" -A trust >"$WORK/out" 2>&1
as_postgres "$bin/postgres" -D "$WORK/pg" -p "$pg_port" -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
	-c shared_preload_libraries=pg_stat_statements -c autovacuum=off >"$WORK/pg.log" 2>&1 &
at_end "kill $!"
wait_for 20 is_open "$pg_port"
sql() { psql -h 127.0.0.1 -p "$pg_port" -U postgres -d "${database:-postgres}" -qAtc "$1"; }
check "postgresql: answers" wait_for 10 sql 'select 1'
sql 'create extension pg_stat_statements' >"$WORK/out" 2>&1
pgbench -h 127.0.0.1 -p "$pg_port" -U postgres -i -s 1 postgres >"$WORK/out" 2>&1
table=konto_$$ # others may run pgbench too
sql "alter table pgbench_accounts rename to $table" >"$WORK/out"
printf '\\set aid random(1, 100000)\nSELECT abalance FROM %s WHERE aid = :aid;\n' $table >"$WORK/select.sql"
sql 'select pg_stat_statements_reset()' >"$WORK/out"
for mode in simple extended prepared; do
	pgbench -h 127.0.0.1 -p "$pg_port" -U postgres -n -f "$WORK/select.sql" -M $mode -c 4 -t 500 postgres >"$WORK/out" 2>&1
done
asked=$(sql "select sum(calls) from pg_stat_statements where query like 'SELECT abalance FROM $table%'")
counts "postgresql: statements as pg_stat_statements counts" "$asked" postgresql postgres server operation=SELECT resource=$table
sql "select 1 from pg_class where relname = '$secret'" >"$WORK/out"
sql "select '$secret' from nirgends" >"$WORK/out" 2>&1
has_error() { [ "$(metric sonde_request_errors_total protocol=postgresql side=server)" -ge 1 ]; }
check "postgresql: an error" wait_for 5 has_error

# ---- MariaDB: its own counters ----
mkdir "$WORK/maria"; chown mysql "$WORK/maria"
maria_port=$(free_port)
mariadb-install-db --user=mysql --datadir="$WORK/maria" --auth-root-authentication-method=normal --skip-test-db >"$WORK/out" 2>&1
mariadbd --no-defaults --user=mysql --datadir="$WORK/maria" --port="$maria_port" --bind-address=127.0.0.1 --socket="$WORK/maria/s" >"$WORK/maria.log" 2>&1 &
at_end "kill $!"
wait_for 30 is_open "$maria_port"
maria() { mariadb --no-defaults -h 127.0.0.1 -P "$maria_port" -u root -BN "$@"; }
maria -e "create database shop; create table shop.items (id int primary key, name varchar(99));"
i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo "insert into shop.items values ($i, '$secret'); select name from shop.items where id = $i;"; done >"$WORK/shop.sql"
com() { maria -e "show global status like 'Com_$1'" | awk '{ print $2 }'; }
selects=$(com select) inserts=$(com insert)
maria <"$WORK/shop.sql" >"$WORK/out"
counts "mariadb: insert as the server counts" "$(($(com insert) - inserts))" mysql mariadbd server operation=INSERT resource=shop.items
counts "mariadb: select as the server counts" "$(($(com select) - selects))" mysql mariadbd server operation=SELECT resource=shop.items

# ---- dnsmasq: its own log ----
dns_port=$(free_port)
dnsmasq --no-daemon --port="$dns_port" --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts \
	--address=/example.test/10.1.2.3 --log-queries --log-facility="$WORK/dns.log" >"$WORK/out" 2>&1 &
at_end "kill $!"
wait_for 5 is_open "$dns_port"
i=0; while [ $i -lt 50 ]; do i=$((i + 1)); echo "www$i.example.test"; done >"$WORK/names"
dig @127.0.0.1 -p "$dns_port" -f "$WORK/names" +short >"$WORK/out"
dig @127.0.0.1 -p "$dns_port" +tcp www.example.test +short >"$WORK/out"
queries() { grep -c 'query\[A\]' "$WORK/dns.log"; }
counts "dnsmasq: queries as it logged" "$(queries)" dns dnsmasq server operation=A
counts "dnsmasq: queries of the client" "$(queries)" dns dig client operation=A

# ---- secrets: none in anything that leaves the agent ----
redis config set requirepass "$secret" >"$WORK/out"
redis migrate 127.0.0.1 1 "user:$secret" 0 10 auth "$secret" >"$WORK/out" 2>&1
redis-cli -p "$redis_port" auth "wrong-$secret" >"$WORK/out" 2>&1
sql "create user kanarie password '$secret'" >"$WORK/out"
PGPASSWORD=$secret psql -h 127.0.0.1 -p "$pg_port" -U kanarie -d postgres -qAtc "select '$secret' as x, \$\$$secret\$\$ -- $secret" >"$WORK/out" 2>&1
maria -e "create user kanarie identified by '$secret'; set password for kanarie = password('$secret'); select \"$secret\" /* $secret */;" >"$WORK/out"
has_summary() { get "/v1/records/requests?from=now-5m&limit=10000" >"$WORK/history"; grep -q '"kind":"request_summary".*/missing' "$WORK/history" && grep -q '"example":' "$WORK/history"; }
check "history: a summary with its example" wait_for 25 has_summary
get /metrics >"$WORK/metrics"
curl -s --unix-socket "$SONDE_SOCKET" -H "Accept: application/openmetrics-text; version=1.0.0" http://localhost/metrics >"$WORK/openmetrics"
check "openmetrics: exemplars" grep -q '^sonde_request_duration_seconds_bucket{.*} [0-9]* # {[a-z_]*="[0-9a-f]*"}' "$WORK/openmetrics"
get "/v1/records/requests?limit=10000" >"$WORK/records"
get "/v1/items/requests" >"$WORK/item"
get "/v1/status" >"$WORK/status"
"$SONDE" requests -d 1 --json >"$WORK/rows"
"$SONDE" requests -d 1 -n 1000 >"$WORK/table"
"$SONDE" top -n 1000 -d 1 >"$WORK/top" 2>&1
"$SONDE" self >"$WORK/self"
for output in everything history metrics openmetrics records item status rows table top self agent.log; do
	check "$output: something, and no secret" sh -c "test -s $WORK/$output && ! grep -q -e $secret -e $basic -e $jwt $WORK/$output"
done
check "the store: no secret" sh -c "! grep -rqa -e $secret -e $basic -e $jwt $WORK/store"
check "something was told" test "$(grep -c '"kind":"request"' "$WORK/everything")" -gt 1000
check "what was planted was seen" test "$(grep -c '"request_id":"planted"' "$WORK/everything")" -ge 12
