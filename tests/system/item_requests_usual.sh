#!/bin/sh
# requests: exchanges that the kernel half measures and does not copy (usual.bpf.h) are counted like all others, on both ends, whatever
# stands between them; and what follows when they are not usual any more.
# MIXED=200000 for the long form. SEED says which mix.
. "$(dirname "$0")/../requests/lib.sh"
start_nginx
start_agent --set "items.requests.where=port = $nginx_port"
count=${MIXED:-20000} seed=${SEED:-$(date +%s)}
echo "# seed $seed, nginx on $nginx_port"

duration=sonde_request_duration_seconds_count
has_counted() { [ "$(metric $duration side=server process=nginx)" -ge "$1" ] && [ "$(metric $duration side=client)" -ge "$1" ]; }
python3 "$work/mixed_load.py" "$nginx_port" "$count" "$seed" >"$WORK/asked"
all=$(awk '{ n += $4 } END { print n }' "$WORK/asked")
equal "the load was answered" "$all" "$(wc -l <"$WORK/access.log" | tr -d ' ')"
check "all were counted" wait_for 20 has_counted "$all"
while read -r method path status count; do
	for side in server client; do
		equal "$side: $method $path $status" "$count" "$(metric $duration side=$side operation="$method" resource="$path" status="$status")"
	done
done <"$WORK/asked"
for side in server client; do equal "$side: all" "$all" "$(metric $duration side=$side)"; done
for state in unanswered unpaired unpaired_response bad left_out; do
	equal "messages: $state" 0 "$(metric sonde_request_messages_total state=$state)"
done
equal "bytes: lost" 0 "$(metric sonde_request_stream_bytes_total state=lost)"
equal "kernel: nothing lost" 0 "$(metric sonde_item_events_total item=requests stage=lost)"
within "most were not told one by one: events" "$(metric sonde_item_events_total item=requests stage=emitted)" 1 $((all * 3 + 3000))
for phase in process send queue; do
	equal "server: $phase of each" "$all" "$(metric sonde_request_phase_seconds_count side=server phase=$phase)"
done
within "client: network of nearly all" "$(metric sonde_request_phase_seconds_count side=client phase=network)" $((all * 95 / 100)) "$all"

# all alike, and some of them fetched from where they wait: as many bytes as nginx sent and received
received() { metric sonde_request_bytes_total side=$1 direction=$2; }
before_out=$(received server response) before_in=$(received client request)
: >"$WORK/access.log"
python3 - "$nginx_port" <<'P'
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(2999):
    c.sendall(b"GET /users HTTP/1.1\r\nHost: alike\r\n\r\n")
    got = b""
    while not got.endswith(b"made\n"): got += c.recv(4096)
P
logged() { awk -v column=$1 '{ n += $column } END { print n + 0 }' "$WORK/access.log"; }
has_bytes() { [ $(($(received server response) - before_out)) = "$(logged 3)" ] && [ $(($(received client request) - before_in)) = "$(logged 4)" ]; }
has_logged() { [ "$(wc -l <"$WORK/access.log")" = 2999 ]; }
wait_for 10 has_logged
check "bytes: as many as nginx sent and received, at once" has_bytes

# who watches
record_all() { curl -sN --unix-socket "$SONDE_SOCKET" -G http://localhost/v1/stream?item=requests --data-urlencode "filter=side = server" >"$1" & recorder=$!; wait_for 5 grep -q '^event\|^:' "$1"; }
record_all "$WORK/watched"
sleep 1.2 # who watches wants each as it comes: looked at once a second
gcc -D_GNU_SOURCE -O2 -w -o "$WORK/http_load" "$work/http_load.c" -lpthread
python3 - "$nginx_port" <<'P'
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(300):
    c.sendall(b"GET /users?token=geheim HTTP/1.1\r\nHost: watched\r\n\r\n")
    got = b""
    while not got.endswith(b"made\n"): got += c.recv(4096)
P
watched() { grep '"kind":"request",' "$WORK/watched" | grep -c "$1"; } # (summaries have one for an example)
sees_all() { [ "$(watched '"target":"/users?token=\*\*\*"')" = 300 ]; }
check "who watches sees each" wait_for 10 sees_all
kill $recorder
check "nothing of a token in any of them" sh -c "! grep -q geheim '$WORK/watched'"
equal "each is whole" 300 "$(watched '"host":"watched".*"complete":true')"

# without: the same, read one by one
"$SONDE" items on requests usual=false >"$WORK/out"
emitted=$(metric sonde_item_events_total item=requests stage=emitted) before=$(metric $duration side=server)
python3 "$work/mixed_load.py" "$nginx_port" 2000 "$seed" >"$WORK/asked"
all=$(awk '{ n += $4 } END { print n }' "$WORK/asked")
has_both() { [ "$(metric $duration side=server)" = $((before + all)) ]; }
check "usual=false: all were counted" wait_for 20 has_both
within "usual=false: each call is told" "$(($(metric sonde_item_events_total item=requests stage=emitted) - emitted))" $((all * 2)) $((all * 20))
stop_agent
finish
