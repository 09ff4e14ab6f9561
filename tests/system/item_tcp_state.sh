#!/bin/sh
# tcp_state: what opens, closes, is reset and fails, counted to one; who holds how many connections in which state,
# against ss; connections that are older than the agent, shared, handed over, not accepted, in other namespaces.
. "$(dirname "$0")/lib.sh"
alone item_tcp
here=$(cd "$(dirname "$0")" && pwd)

gcc -O1 -o "$WORK/tcp_case" "$here/tcp_case.c" || exit 1
NS=sonde-test-$$
ip netns add $NS || exit 1
at_end "ip netns pids $NS | xargs -r kill -9; ip netns del $NS"
ip netns exec $NS ip link set lo up
ip netns exec $NS sysctl -q -w net.ipv4.tcp_fin_timeout=600 # so that FIN_WAIT2 lasts
inum=$(ip netns exec $NS readlink /proc/self/ns/net | tr -dc 0-9)

# as NAME: the test's program under a name of its own, which is the label `process`
as() { [ -e "$WORK/$1" ] || cp "$WORK/tcp_case" "$WORK/$1"; name=$1; shift; ip netns exec $NS "$WORK/$name" "$@"; }
# hold NAME CASE PORT COUNT [ADDRESS]: starts one that waits; `release NAME` lets it go on.
hold() {
	mkfifo "$WORK/$1.in"
	as "$@" <"$WORK/$1.in" >"$WORK/$1.out" & eval "pid_$1=$!"
	eval "exec $fd>\"$WORK/$1.in\""; eval "fd_$1=$fd"; fd=$((fd + 1))
	wait_for 60 grep -q held "$WORK/$1.out" || not_ok "$1 did not start"
}
release() { eval "echo >&\$fd_$1"; eval "wait \$pid_$1"; }
fd=4
# in_ss STATE: sockets in this state in the test's namespace
in_ss() { ip netns exec $NS ss -Htan state "$1" | wc -l; }
# /metrics is made at most once a second: a reading after this is a new one
settle() { sleep 1.2; }

# older than the agent
hold older hold 21000 40
hold older6 hold 21001 7 ::1
hold cut hold_and_reset 21002 6
start_agent
connections() { metric sonde_tcp_connections "$@"; }
equal "older connections: inbound" 40 "$(connections process=older state=established direction=inbound)"
equal "older connections: outbound" 40 "$(connections process=older state=established direction=outbound)"
equal "older connections: the listening socket" 1 "$(connections process=older state=listen)"
equal "older connections over IPv6" 14 "$(connections process=older6 state=established)"
release older
settle
equal "older connections are counted when they close" 40 "$(metric sonde_tcp_closed_total process=older direction=inbound)"
equal "on both sides" 40 "$(metric sonde_tcp_closed_total process=older direction=outbound)"

release cut
settle
equal "older connections: a reset is its receiver's" 6 "$(metric sonde_tcp_resets_total process=cut direction=inbound)"
equal "older connections: and its sender's" 6 "$(metric sonde_tcp_resets_total process=cut direction=outbound)"

# what happens, to one
as counted client_closes 21010 30
as counted server_closes 21011 20
as counted half 21012 10
as counted client_closes 21013 5 ::1
settle
for direction in inbound outbound; do
	equal "opened, $direction" 65 "$(metric sonde_tcp_opened_total process=counted direction=$direction)"
	equal "closed, $direction" 65 "$(metric sonde_tcp_closed_total process=counted direction=$direction)"
	equal "no reset, $direction" 0 "$(metric sonde_tcp_resets_total process=counted direction=$direction)"
done
as resetting reset 21020 6
as resetting unread 21021 5
settle
for direction in inbound outbound; do
	equal "opened before resets, $direction" 11 "$(metric sonde_tcp_opened_total process=resetting direction=$direction)"
	equal "closed by resets, $direction" 11 "$(metric sonde_tcp_closed_total process=resetting direction=$direction)"
	equal "resets, $direction" 11 "$(metric sonde_tcp_resets_total process=resetting direction=$direction)"
done
as failing refused 21030 9
as failing given_up 21031 4
as failing timed_out 21032 3
settle
equal "connects refused" 9 "$(metric sonde_tcp_connect_failures_total process=failing errno=ECONNREFUSED)"
equal "connects given up" 4 "$(metric sonde_tcp_connect_failures_total process=failing errno=ECANCELED)"
equal "connects timed out" 3 "$(metric sonde_tcp_connect_failures_total process=failing errno=ETIMEDOUT)"
equal "failed connects are not opened" 2 "$(metric sonde_tcp_opened_total process=failing direction=outbound)"
ip netns exec $NS sysctl -q -w net.ipv4.ip_local_port_range="30000 30003"
as noport hold 21040 5 </dev/null >"$WORK/noport.out" 2>&1
ip netns exec $NS sysctl -q -w net.ipv4.ip_local_port_range="32768 60999"
settle
equal "connects without a port left" 1 "$(metric sonde_tcp_connect_failures_total process=noport errno=EADDRNOTAVAIL)"

# who holds what
hold waiting waiting 21050 20
hold forking fork 21051 8
hold handing handed 21052 6
settle; get /metrics >/dev/null; settle # who holds a shared connection last, the walk before knows
equal "not accepted, still open: inbound" 10 "$(connections process=waiting state=established direction=inbound)"
equal "not accepted, closed by the client" 10 "$(connections process=waiting state=close_wait direction=inbound)"
equal "forked server: each connection once" 16 "$(connections process=forking state=established)"
rows=$(get '/v1/records/tcp_state?limit=10000')
owners() { echo "$rows" | jq -c "[.records[] | select(.process == \"$1\" and .state == \"$2\" and .direction == \"$3\")] | $4"; }
equal "forked server: the children have them" 8 "$(owners forking established inbound 'map(.connections) | length')"
equal "forked server: one each" '[1]' "$(owners forking established inbound 'map(.connections) | unique')"
parent=$(pgrep -o -f "^$WORK/handing"); child=$(pgrep -P "$parent")
equal "handed over: one process has all" "[[6,$child]]" "$(owners handing established inbound 'map([.connections, .pid])')"
equal "handed over: and the other ends are where they were" "[[6,$parent]]" "$(owners handing established outbound 'map([.connections, .pid])')"

# against ss, state by state, sums over all processes of the namespace
by_ss() {
	# (by name: other namespaces of the machine are not ours to count)
	get /metrics >"$WORK/metrics"
	awk -v state="$1" -v netns="$inum" '/^sonde_tcp_connections/ && index($0, "state=\"" state "\"") &&
		(index($0, "netns=\"" netns "\"") || $0 ~ /process="(older6|waiting|forking|handing)"/) { n += $NF } END { print n + 0 }' "$WORK/metrics"
}
# (a busy machine's sockets are dumped less often)
as_ss_has() { [ "$(in_ss fin-wait-2)" = "$(by_ss fin_wait2)" ]; }
wait_for 30 as_ss_has
for pair in established:established listen:listening close_wait:close-wait time_wait:time-wait fin_wait2:fin-wait-2 fin_wait1:fin-wait-1 last_ack:last-ack syn_recv:syn-recv; do
	equal "as many ${pair%:*} as ss has" "$(in_ss ${pair#*:})" "$(by_ss ${pair%:*})"
done
check "there was a TIME_WAIT to compare" test "$(in_ss time-wait)" -gt 50
check "there was a FIN_WAIT2 without a process to compare" test "$(in_ss fin-wait-2)" -eq 10
for name in waiting forking handing older6; do release $name; done

# real servers
mkdir -p "$WORK/nginx"
cat >"$WORK/nginx.conf" <<C
daemon on; worker_processes 2; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events { worker_connections 4096; }
http { access_log off; client_body_temp_path $WORK/nginx; proxy_temp_path $WORK/nginx; fastcgi_temp_path $WORK/nginx;
	uwsgi_temp_path $WORK/nginx; scgi_temp_path $WORK/nginx; keepalive_timeout 60s;
	server { listen 21060 reuseport; location / { return 200 "hello\n"; } location = /stub { stub_status; } } }
C
cp "$(command -v nginx)" "$WORK/webserver" # (a name that nobody else has)
ip netns exec $NS "$WORK/webserver" -c "$WORK/nginx.conf" || not_ok "nginx does not start"
at_end "kill \$(cat $WORK/nginx.pid)"
cp "$(command -v ab)" "$WORK/asker"
ip netns exec $NS "$WORK/asker" -q -n 500 -c 8 http://127.0.0.1:21060/ >"$WORK/ab" 2>&1 || not_ok "ab: $(tail -n 1 "$WORK/ab")"
# ab opens one or two more than it asks over: nginx's own count is the truth (which includes who asks for it)
accepted=$(ip netns exec $NS curl -s http://127.0.0.1:21060/stub | awk 'NR == 3 { print $1 }')
settle
within "nginx accepted" "$accepted" 501 510
equal "nginx: opened" "$accepted" "$(metric sonde_tcp_opened_total process=webserver direction=inbound)"
equal "nginx: closed" "$accepted" "$(metric sonde_tcp_closed_total process=webserver direction=inbound)"
equal "ab: opened" "$((accepted - 1))" "$(metric sonde_tcp_opened_total process=asker direction=outbound)"
master=$(cat "$WORK/nginx.pid")
ip netns exec $NS wrk -t1 -c20 -d2s http://127.0.0.1:21060/ >/dev/null 2>&1 & load=$!
wait_for 10 sh -c "[ \$(ip netns exec $NS ss -Htan state established sport = :21060 | wc -l) = 20 ]"
rows=$(get '/v1/records/tcp_state?limit=10000')
equal "nginx: connections belong to its workers" true "$(echo "$rows" | jq "[.records[] | select(.process == \"webserver\" and .state == \"established\")] | (map(.connections) | add) == 20 and all(.pid != $master)")"
equal "nginx: listening sockets belong to its master" "[$master]" "$(echo "$rows" | jq -c '[.records[] | select(.process == "webserver" and .state == "listen") | .pid]')"
wait $load

# PostgreSQL: one process listens and accepts, and forks another for each connection
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir "$WORK/pg"; chown postgres "$WORK/pg"
ln -s "$bin/postgres" "$WORK/pgserver"; ln -s "$bin/psql" "$WORK/pgclient"
as_postgres() { ip netns exec $NS setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
sql() { ip netns exec $NS "$WORK/pgclient" -h 127.0.0.1 -p 21070 -U postgres -qAtc "$1" postgres; }
as_postgres "$bin/initdb" -D "$WORK/pg" -A trust >"$WORK/pg.out" 2>&1 || not_ok "initdb: $(tail -n 1 "$WORK/pg.out")"
as_postgres "$WORK/pgserver" -D "$WORK/pg" -p 21070 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c log_connections=on >"$WORK/pg.log" 2>&1 &
at_end "kill -INT \$(head -n 1 $WORK/pg/postmaster.pid); wait $!"
wait_for 60 sql 'select 1' || not_ok "postgresql does not start: $(tail -n 1 "$WORK/pg.log")"
for i in 1 2 3 4 5 6 7; do sql 'select pg_sleep(600)' >/dev/null 2>&1 & done
sleeping() { [ "$(sql "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and state = 'active'")" = 7 ]; }
wait_for 30 sleeping || not_ok "postgresql: seven sessions"
settle; get /metrics >/dev/null; settle
rows=$(get '/v1/records/tcp_state?limit=10000')
equal "postgresql: each session's process has its connection" "[7,[1]]" "$(owners pgserver established inbound 'map(.connections) | [length, unique]')"
backends=$(sql "select string_agg(pid::text, ',' order by pid) from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()")
equal "postgresql: and these are the processes" "[$backends]" "$(owners pgserver established inbound 'map(.pid) | sort')"
equal "postgresql: the listening socket is the first process's" "[$(head -n 1 "$WORK/pg/postmaster.pid")]" "$(echo "$rows" | jq -c '[.records[] | select(.process == "pgserver" and .state == "listen") | .pid]')"
sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()" >/dev/null
wait_for 20 sh -c "[ \$(ip netns exec $NS ss -Htan state established sport = :21070 | wc -l) = 0 ]"
settle
accepted=$(grep -c 'connection received' "$WORK/pg.log")
equal "postgresql: opened, by its own log" "$accepted" "$(metric sonde_tcp_opened_total process=pgserver direction=inbound)"
equal "postgresql: closed" "$accepted" "$(metric sonde_tcp_closed_total process=pgserver direction=inbound)"
equal "postgresql: opened by its clients" "$accepted" "$(metric sonde_tcp_opened_total process=pgclient direction=outbound)"

# nothing dead stays
settle; get /metrics >/dev/null; settle
entries() { "$SONDE" self | awk -v map="$1" '$1 == "tcp_state" && $2 == map { print $(NF - 1) }'; }
within "entries of outgoing connections" "$(entries tcp_outgoing)" 0 20
within "entries of shared sockets" "$(entries shared)" 0 40
