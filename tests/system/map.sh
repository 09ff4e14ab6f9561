#!/bin/sh
# GET /v1/map: programs that speak with each other are nodes and edges, with what was really asked.
. "$(dirname "$0")/lib.sh"
alone map

url() { jq -rn --arg x "$1" '$x | @uri'; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cp "$(command -v nginx)" "$WORK/mapserver"
cp "$(command -v ab)" "$WORK/mapclient"
cat >"$WORK/nginx.conf" <<END
pid $WORK/nginx.pid; error_log $WORK/nginx.log; worker_processes 1;
events { worker_connections 256; }
http { access_log off; server { listen 127.0.0.1:$port; location / { return 200 "hello\n"; } } }
END
"$WORK/mapserver" -c "$WORK/nginx.conf" || exit 1
at_end "kill \$(cat $WORK/nginx.pid)"
start_agent
"$WORK/mapclient" -q -n 100 -k -c 1 "http://127.0.0.1:$port/" >/dev/null 2>&1
edges() { get "/v1/map" | jq "[.edges[] | select(.client == \"mapclient\" and .server == \"mapserver\" and .protocol == \"http\")]"; }
all_there() { [ "$(edges | jq -c 'map(.count == 100 and .error_count == 0 and .rate > 0 and .p50_ns > 0 and .p99_ns >= .p50_ns)')" = "[true]" ]; }
check "every exchange is counted once, with times" wait_for 40 all_there
check "nodes say what they are" sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/v1/map | jq -e '[.nodes[] | select(.id == \"mapserver\") | .kind == \"process\" and .count == 100 and .error_count == 0] == [true]'"
filter=$(url "$(edges | jq -r '.[0].filter')")
check "an edge's filter finds its records" sh -c "[ \$(curl -s --unix-socket $SONDE_SOCKET 'http://localhost/v1/groups/requests?filter=$filter' | jq '[.groups[].count] | add') = 100 ]"
check "a filter leaves out others" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/v1/map?filter=$(url 'process = nobody')' | jq -e '.nodes == [] and .edges == []'"
check "a range of time before has nothing" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/v1/map?from=now-2h&to=now-1h' | jq -e '.edges == []'"
check "by host there is one node" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/v1/map?group=host' | jq -e '[.nodes[] | select(.kind == \"node\")] | length == 1'"
equal "a group that is none is refused" 400 "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$SONDE_SOCKET" 'http://localhost/v1/map?group=shoe')"
check "the command sums up, too" sh -c "$SONDE query requests 'process = mapserver and side = server' --by operation --json | jq -se 'map(.count) == [100]'"
is_later() { [ "$(date +%s)" -gt "$1" ]; }
wait_for 10 is_later "$(date +%s)" # the summary may be of this very second
after=$(date +%s)
equal "two ranges are compared: all of it was before" "0 100" "$(get "/v1/groups/requests?from=$after&against_from=now-10m&by=process&filter=$(url 'kind = request_summary and process = mapclient')" | jq -r '.groups[0] | "\(.count) \(.before.count)"')"
equal "a range to compare with has a beginning before its end" 400 "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$SONDE_SOCKET" 'http://localhost/v1/groups/requests?from=now-1m&against_from=now')"
equal "in another order" 400 "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$SONDE_SOCKET" 'http://localhost/v1/groups/requests?order=shoe')"
check "the command compares, too" sh -c "$SONDE query requests 'process = mapclient' --by process --from $after --against-from now-10m --json | jq -se 'any(.before.count == 100)'"
worker=$(get /v1/status | jq .worker.pid) broker=$(get /v1/status | jq .broker.pid)
equal "the worker is a child of the broker" "$broker" "$(get /v1/processes | jq ".processes[] | select(.pid == $worker).ppid")"
check "without bare connections the map has the same exchanges" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/v1/map?connections=0' | jq -e '[.edges[] | select(.client == \"mapclient\" and .server == \"mapserver\").count] == [100] and ([.edges[] | select(.connections)] | length == 0)'"
