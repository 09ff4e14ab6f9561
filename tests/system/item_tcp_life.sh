#!/bin/sh
# tcp_life: each connection that ends is one record, with the right bytes, reason, sides and owner; none for a connect
# that failed.
. "$(dirname "$0")/lib.sh"
alone item_tcp
here=$(cd "$(dirname "$0")" && pwd)

gcc -O1 -o "$WORK/tcp_case" "$here/tcp_case.c" || exit 1
NS=sonde-test-$$
ip netns add $NS || exit 1
at_end "ip netns pids $NS | xargs -r kill -9; ip netns del $NS"
ip netns exec $NS ip link set lo up
inum=$(ip netns exec $NS readlink /proc/self/ns/net | tr -dc 0-9)
as() { [ -e "$WORK/$1" ] || cp "$WORK/tcp_case" "$WORK/$1"; name=$1; shift; ip netns exec $NS "$WORK/$name" "$@"; }

# older than the agent
mkfifo "$WORK/older.in" "$WORK/cut.in"
as older hold 22000 5 <"$WORK/older.in" >"$WORK/older.out" & older=$!
exec 4>"$WORK/older.in"
as cut hold_and_reset 22002 6 <"$WORK/cut.in" >"$WORK/cut.out" & cut=$!
exec 6>"$WORK/cut.in"
wait_for 60 grep -q held "$WORK/older.out" || not_ok "older did not start"
wait_for 60 grep -q held "$WORK/cut.out" || not_ok "cut did not start"

start_agent
# (others of the machine make connections too: a watcher of them all may be too slow)
"$SONDE" tcp_life --json --where "netns = $inum" >"$WORK/lives" & watcher=$!
at_end "kill $watcher"
# (who watches sees what happens from then on: a first connection says when that is)
watches() { as first client_closes 22001 1 && sleep 0.2 && grep -q '"process":"first"' "$WORK/lives"; }
wait_for 30 watches || not_ok "nothing is told"

as client_closes client_closes 22010 7
as server_closes server_closes 22011 7
as half half 22012 7
as reset reset 22013 7
as unread unread 22014 7
as six client_closes 22015 7 ::1
as refused refused 22016 7
as given_up given_up 22017 7
# opened before the programs are exchanged, closed after: its beginning is not forgotten
mkfifo "$WORK/exchanged.in"
as exchanged hold 22018 3 <"$WORK/exchanged.in" >"$WORK/exchanged.out" & exchanged=$!
exec 7>"$WORK/exchanged.in"
wait_for 60 grep -q held "$WORK/exchanged.out" || not_ok "exchanged did not start"
check "its programs are exchanged" "$SONDE" items on tcp_life min_ms=1
echo >&7; wait $exchanged
check "and once more" "$SONDE" items on tcp_life min_ms=0
echo >&4; wait $older
echo >&6; wait $cut

# a forked server: who serves is who closes
cp "$(command -v socat)" "$WORK/forking"
ip netns exec $NS "$WORK/forking" TCP-LISTEN:22020,reuseaddr,fork EXEC:/bin/cat 2>/dev/null & server=$!
wait_for 20 sh -c "ip netns exec $NS ss -Htln | grep -q :22020"
for i in 1 2 3; do printf 'hello %s\n' $i | ip netns exec $NS socat -t 5 - TCP:127.0.0.1:22020 >/dev/null; done
# nginx with two workers
mkdir -p "$WORK/nginx"
cat >"$WORK/nginx.conf" <<C
daemon on; worker_processes 2; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events { worker_connections 4096; }
http { access_log off; client_body_temp_path $WORK/nginx; proxy_temp_path $WORK/nginx; fastcgi_temp_path $WORK/nginx;
	uwsgi_temp_path $WORK/nginx; scgi_temp_path $WORK/nginx;
	server { listen 22021; location / { return 200 "hello\n"; } location = /stub { stub_status; } } }
C
cp "$(command -v nginx)" "$WORK/webserver" # (a name that nobody else has)
ip netns exec $NS "$WORK/webserver" -c "$WORK/nginx.conf" || not_ok "nginx does not start"
at_end "kill \$(cat $WORK/nginx.pid)"
ip netns exec $NS ab -q -n 60 -c 4 http://127.0.0.1:22021/ >"$WORK/ab" 2>&1 || not_ok "ab: $(tail -n 1 "$WORK/ab")"
accepted=$(ip netns exec $NS curl -s http://127.0.0.1:22021/stub | awk 'NR == 3 { print $1 }')

# a host that goes: the connection times out, and its retransmissions are told
ip -n $NS link add near type veth peer name far || not_ok "no veth"
ip netns add $NS-far; at_end "ip netns pids $NS-far | xargs -r kill -9; ip netns del $NS-far"
ip -n $NS link set far netns $NS-far
ip -n $NS addr add 10.99.0.1/24 dev near; ip -n $NS link set near up
ip -n $NS-far addr add 10.99.0.2/24 dev far; ip -n $NS-far link set far up
cp "$(command -v socat)" "$WORK/timing"; cp "$(command -v socat)" "$WORK/faraway"
ip netns exec $NS-far "$WORK/faraway" -u TCP-LISTEN:22030 OPEN:"$WORK/far.out",creat & faraway=$!
wait_for 20 sh -c "ip netns exec $NS-far ss -Htln | grep -q :22030"
mkfifo "$WORK/timing.in"
# TCP_USER_TIMEOUT (18): 1.5 seconds
ip netns exec $NS "$WORK/timing" -u PIPE:"$WORK/timing.in" TCP:10.99.0.2:22030,setsockopt-int=6:18:1500 2>/dev/null & timing=$!
exec 5<>"$WORK/timing.in"
echo 12345 >&5
wait_for 20 test -s "$WORK/far.out"
ip -n $NS-far addr del 10.99.0.2/24 dev far
echo 67 >&5
ended() { ! kill -0 $timing 2>/dev/null || grep -q '"close_reason":"timeout"' "$WORK/lives"; }
wait_for 30 ended
exec 5>&-
kill $faraway $server 2>/dev/null
wait_for 10 grep -q '"process":"timing"' "$WORK/lives"
sleep 1
kill $watcher

lives() { jq -s -c "[.[] | select($1)] | $2" "$WORK/lives"; }
for name in client_closes server_closes; do
	for side in client server; do
		equal "$name: one record each, $side" 7 "$(lives ".process == \"$name\" and .side == \"$side\"" length)"
		equal "$name: ended well, $side" '["closed"]' "$(lives ".process == \"$name\" and .side == \"$side\"" 'map(.close_reason) | unique')"
	done
	equal "$name: bytes to the byte, client" '[[5000,7001]]' "$(lives ".process == \"$name\" and .side == \"client\"" 'map([.sent_bytes, .received_bytes]) | unique')"
	equal "$name: bytes to the byte, server" '[[7001,5000]]' "$(lives ".process == \"$name\" and .side == \"server\"" 'map([.sent_bytes, .received_bytes]) | unique')"
done
equal "half closed: bytes after it count" '[[5000,10004],[10004,5000]]' "$(lives '.process == "half"' 'map([.sent_bytes, .received_bytes]) | unique')"
equal "reset: by the client" '[7,"reset_by_us"]' "$(lives '.process == "reset" and .side == "client"' '[length, .[0].close_reason]')"
equal "reset: seen by the server" '[7,"reset_by_peer"]' "$(lives '.process == "reset" and .side == "server"' '[length, .[0].close_reason]')"
equal "unread data: reset by the server" '[7,"reset_by_us"]' "$(lives '.process == "unread" and .side == "server"' '[length, .[0].close_reason]')"
equal "unread data: seen by the client" '[7,"reset_by_peer"]' "$(lives '.process == "unread" and .side == "client"' '[length, .[0].close_reason]')"
equal "unread data: the byte counts" '[[7001,5001]]' "$(lives '.process == "unread" and .side == "server"' 'map([.sent_bytes, .received_bytes]) | unique')"
equal "IPv6" '[14,"::1","::1"]' "$(lives '.process == "six"' '[length, .[0].local_addr, .[0].remote_addr]')"
equal "ports of both ends fit" 7 "$(lives '.process == "six"' '[.[] | select(.side == "server") as $s | $s.remote_port] - ([.[] | select(.side == "server").remote_port] - [.[] | select(.side == "client").local_port]) | length')"
equal "a refused connect is no life" 0 "$(lives '.process == "refused"' length)"
# (the connection that fills the queue is a life; the listener's reset, which ends it, may come after the process closed it)
within "nor is one that was given up" "$(lives '.process == "given_up" and .side == "client" and .close_reason == "closed"' length)" 0 1
equal "each has its own cookie" true "$(lives '.connection' '(map(.connection) | unique | length) == length')"
equal "each has one" 0 "$(lives '.connection == null' length)"
equal "the namespace" "[$inum]" "$(lives '.process == "half"' 'map(.netns) | unique')"
equal "lived as long as the clock says" true "$(lives '.process == "half"' 'all(.duration_ns > 0 and .duration_ns < 5000000000 and .rtt_ns > 0)')"
equal "opened before an exchange of programs: told, with its whole life" '[6,true]' "$(lives '.process == "exchanged"' '[length, all(.opened != null and .duration_ns > 0)]')"
equal "older ones are told" 10 "$(lives '.process == "older"' length)"
equal "without what was not seen" 0 "$(lives '.process == "older" and (.opened or .duration_ns)' length)"
equal "older ones that a reset ends have their owner" '["reset_by_peer","reset_by_us"]' "$(lives '.process == "cut"' 'if length == 12 then map(.close_reason) | unique else length end')"
equal "their sides are known" '[5,5]' "$(lives '.process == "older"' '[([.[] | select(.side == "client")] | length), ([.[] | select(.side == "server")] | length)]')"
equal "forked server: three" 3 "$(lives '.process == "forking" and .side == "server"' length)"
equal "forked server: the children closed them" 3 "$(lives ".process == \"forking\" and .side == \"server\" and .pid != $server" 'map(.pid) | unique | length')"
equal "nginx: as many as it accepted" "$accepted" "$(lives '.process == "webserver" and .side == "server"' length)"
equal "nginx: none of them its master's" 0 "$(lives ".process == \"webserver\" and .pid == $(cat "$WORK/nginx.pid")" length)"
equal "a host that is gone: timed out" '["timeout",6]' "$(lives '.process == "timing"' '.[0] | [.close_reason, .sent_bytes - 3]')"
equal "a host that is gone: retransmissions" true "$(lives '.process == "timing"' '.[0].retransmits > 0')"
