#!/bin/sh
# requests: HTTP/2 and gRPC of real peers: every exchange that the peer's own log or client says is a record of both ends, and no other.
. "$(dirname "$0")/../requests/lib.sh"
peers=$here/../http2_peers
many=${HTTP2_REQUESTS:-2000}

mkdir "$WORK/html"; chmod 755 "$WORK" "$WORK/html"
seq 3000 >"$WORK/html/large.txt"
port=$(free_port)
cat >"$WORK/nginx.conf" <<-EOC
	daemon off; worker_processes 1; pid $WORK/nginx.pid; error_log $WORK/error.log;
	events { worker_connections 1024; }
	http {
		http2_max_concurrent_streams 1000; keepalive_requests 10000000;
		log_format said '\$request_method \$path \$status - 0 0';
		map \$request_uri \$path { "~^(?<p>[^?]*)" \$p; }
		access_log $WORK/access.log said;
		server { listen 127.0.0.1:$port http2; root $WORK/html; location /made { return 201 "made"; } location /broken { return 503; } location /large.txt { } }
	}
EOC
nginx -c "$WORK/nginx.conf" -p "$WORK" 2>"$WORK/out" &
at_end "kill $!"
wait_for 10 is_open "$port" || { echo "not ok nginx: does not start"; cat "$WORK/out"; exit 1; }
start_agent

# listen_to PORT: records of that port's connections, until heard.
listen_to() {
	curl -sN --unix-socket "$SONDE_SOCKET" -G "http://localhost/v1/stream?item=requests" --data-urlencode "filter=port = $1" >"$WORK/heard" &
	listener=$!
	wait_for 5 grep -q '^event\|^:' "$WORK/heard"
}
heard() { # COUNT: so many records of each end have come, or nothing comes any more
	wanted=$((2 * $1))
	is_there() { [ "$(grep -c '"kind":"request",' "$WORK/heard")" -ge $wanted ]; }
	wait_for 20 is_there
	kill $listener
}
# matches NAME PORT: $WORK/said against what was heard.
matches() {
	for side in server client; do
		set -- "$1" "$2" $("$work/match_http2.py" "$WORK/heard" "$WORK/said" $side "$2")
		check "$1, $side: the peer says something ($3)" test "$3" -gt 0
		equal "$1, $side: wrong records" 0 "$5"
		equal "$1, $side: missing records" 0 "$6"
	done
}
# http NAME COUNT COMMAND...: nginx' own log.
http() {
	name=$1 count=$2; shift 2
	: >"$WORK/access.log"
	listen_to "$port"
	"$@" >"$WORK/out" 2>&1
	is_logged() { [ "$(wc -l <"$WORK/access.log")" -ge "$count" ]; }
	wait_for 10 is_logged
	cp "$WORK/access.log" "$WORK/said"
	heard "$(wc -l <"$WORK/said")"
	matches "$name" "$port"
}
url=http://127.0.0.1:$port
http curl 1 curl -s --http2-prior-knowledge "$url/missing?token=geheim" -H "authorization: Bearer geheim"
http "curl, a body" 1 curl -s --http2-prior-knowledge "$url/made/7" -d a=1
http "h2load, one stream" "$((many / 10))" h2load -n "$((many / 10))" -c 1 -m 1 "$url/made"
http "h2load, bodies, small windows" $((many / 40)) h2load -n $((many / 40)) -c 1 -m 1 -w 12 -W 13 "$url/large.txt"
check "h2load: a small window is seen as such" grep -q '"response_blocked_ns":[1-9]' "$WORK/heard"
http nghttp 3 nghttp -n -H "cookie: a=geheim" "$url/made/1" "$url/large.txt" "$url/broken"

# more at once than a live stream holds: by the metrics
count_of() { metric sonde_request_duration_seconds_count protocol=http2 side="$1" operation=GET resource="$2" status="$3"; }
: >"$WORK/access.log"
h2load -n "$many" -c 10 -m 100 "$url/many/1" >"$WORK/out"
for side in server client; do
	is_counted() { [ "$(count_of $side /many/:id 404)" = "$many" ]; }
	wait_for 20 is_counted
	equal "h2load, 1000 streams at once on ten connections, $side: as nginx logs" "$(grep -c "GET /many/1 404" "$WORK/access.log")" "$(count_of $side /many/:id 404)"
done

# call NAME COMMAND...: both ends of gRPC; the client says what it got.
call() {
	name=$1; shift
	call_port=$(free_port)
	"$@" server "$call_port" >"$WORK/server.out" 2>&1 &
	server=$!
	if wait_for 20 is_open "$call_port"; then
		listen_to "$call_port"
		timeout 60 "$@" client "$call_port" >"$WORK/said" 2>"$WORK/client.err"
		heard "$(wc -l <"$WORK/said")"
		matches "$name" "$call_port"
	else
		not_ok "$name: its server does not start: $(tail -n 3 "$WORK/server.out")"
	fi
	kill $server
}
# (of one call 16 KiB are copied)
LONG=9000; export LONG
call node node "$peers/node_http2.js"
calls=0
if /usr/bin/python3 -c 'import grpc' 2>/dev/null; then
	call grpcio /usr/bin/python3 "$peers/grpc_python.py"; calls=$((calls + 1))
else
	ok "grpcio is not installed # skip"
fi
if [ -d /usr/share/gocode/src/google.golang.org/grpc ] && GO111MODULE=off GOPATH=/usr/share/gocode timeout 300 go build -o "$WORK/grpc_go" "$peers/grpc_go.go" 2>"$WORK/out"; then
	call grpc-go "$WORK/grpc_go"; calls=$((calls + 1))
else
	ok "grpc-go is not installed # skip"
fi
if [ -n "${GRPC_JS:-}" ] || timeout 60 npm install --silent --prefix "$WORK/npm" @grpc/grpc-js >"$WORK/out" 2>&1; then
	export NODE_PATH="${GRPC_JS:-$WORK/npm/node_modules}"
	call grpc-js node "$peers/grpc_node.js"; calls=$((calls + 1))
else
	ok "grpc-js is not to be had # skip"
fi
if [ $calls -gt 0 ]; then
	check "gRPC: a method is an operation of its service" test "$(metric sonde_request_duration_seconds_count protocol=grpc side=server operation=Talk resource=shop.Orders status=0)" -gt 0
	check "gRPC: a status of its own is an error" test "$(metric sonde_request_errors_total protocol=grpc side=server operation=Get status=5)" -gt 0
	check "gRPC: edges" wait_for 15 sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | grep -q 'sonde_edge_requests_total{.*protocol=\"grpc\"'"
fi
get /metrics >"$WORK/metrics"
"$SONDE" requests -d 1 --json >"$WORK/rows"
check "no secret in what was told" sh -c "! grep -q geheim $WORK/heard $WORK/metrics $WORK/rows $WORK/agent.log"
equal "nothing lost" 0 "$(metric sonde_item_events_total item=requests stage=lost)"
equal "nothing wrong for a parser" 0 "$(metric sonde_request_messages_total state=bad)"
