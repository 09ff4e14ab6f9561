#!/bin/sh
# requests against nginx's own log: every request is a record, none is wrong, at any depth of the pipeline.
# REQUESTS=100000 for the long form; a multiple of 400.
. "$(dirname "$0")/../requests/lib.sh"
build http_load
start_nginx
start_agent --set "items.requests.where=port = $nginx_port" # others may serve on this machine too

all=${REQUESTS:-24000}
# depth, connections, hundredths of the requests
for case in "1 1 10" "1 8 30" "2 4 15" "8 4 15" "32 4 30"; do
	set -- $case
	set -- "$1" "$2" $((all / 100 * $3))
	name="depth $1, $2 connections"
	record_to "$WORK/records" "side = server and local_port = $nginx_port"
	equal "$name: the load was answered" "$3" "$("$WORK/http_load" "$nginx_port" "$3" "$1" "$2" 2000 "d$1c$2" / /users/17 /missing /broken)"
	end_recording
	set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/records" "d$1c$2") $3
	equal "$name: requests that nginx logged" "$7" "$1"
	equal "$name: wrong records" 0 "$3"
	equal "$name: doubled records" 0 "$5"
	equal "$name: missing records" 0 "$4"
	equal "$name: incomplete records" 0 "$6"
	equal "$name: refused by the stream" 0 "$refused"
done
equal "kernel: nothing lost" 0 "$(metric sonde_item_events_total item=requests stage=lost)"
get /metrics | grep '^sonde_item_events_total{item="requests",.*stage="lost"' | grep -v " 0$" | sed "s/^/# /"
equal "metrics: requests of the server" $((all / 4 * 3)) "$(for r in /users/:id /missing /broken; do metric sonde_request_duration_seconds_count side=server process=nginx resource=$r; done | awk '{ n += $1 } END { print n }')"
equal "metrics: requests of the client" "$all" "$(metric sonde_request_duration_seconds_count side=client process=http_load)"
equal "metrics: errors of the server" $((all / 2)) "$(metric sonde_request_errors_total side=server process=nginx)"
equal "metrics: routes are templates" $((all / 4)) "$(metric sonde_request_duration_seconds_count side=server process=nginx resource=/users/:id)"

# what became of every message and byte
within "messages: requests were paired" "$(metric sonde_request_messages_total state=paired)" $((all * 2)) $((all * 2 + 1000))
for state in unanswered unpaired unpaired_response bad; do
	equal "messages: $state" 0 "$(metric sonde_request_messages_total state=$state)"
done
equal "bytes: lost" 0 "$(metric sonde_request_stream_bytes_total state=lost)"
has_edge() { [ "$(metric sonde_edge_requests_total client=http_load server=nginx protocol=http)" = "$all" ]; }
check "edges: each exchange once" wait_for 15 has_edge

# a filter that the kernel half can follow, set while it runs
users() { metric sonde_request_duration_seconds_count side=server process=nginx resource=/users/:id; }
"$SONDE" items on requests "where=port = $((nginx_port + 1))" >"$WORK/out"
sleep 1.5
emitted=$(metric sonde_item_events_total item=requests stage=emitted) before=$(users)
"$WORK/http_load" "$nginx_port" 1000 1 1 0 filtered /users/17 >"$WORK/out"
sleep 0.5
within "a filter: nothing of another port was copied" "$(($(metric sonde_item_events_total item=requests stage=emitted) - emitted))" 0 50
equal "a filter: nothing was counted" "$before" "$(users)"
"$SONDE" items on requests "where=port = $nginx_port" >"$WORK/out"
sleep 1.5
before=$(users)
"$WORK/http_load" "$nginx_port" 1000 1 1 0 wanted /users/17 >"$WORK/out"
has_users() { [ "$(users)" = "$((before + 1000))" ]; }
wait_for 10 has_users
equal "another filter: all of this port" "$((before + 1000))" "$(users)"

# A ring that is far too small, as fast as it goes: much is lost and said so, and nothing is wrong.
stop_agent
start_agent --set items.requests.ring=16KiB --set "items.requests.where=port = $nginx_port"
record_to "$WORK/overload" "side = server and local_port = $nginx_port"
for depth in 1 32; do
	"$WORK/http_load" "$nginx_port" 20000 $depth 8 0 "overload-$depth" / /users/17 /missing /broken >"$WORK/out"
done
end_recording
for depth in 1 32; do
	set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/overload" "overload-$depth")
	equal "overload, depth $depth: requests that nginx logged" 20000 "$1"
	equal "overload, depth $depth: wrong records" 0 "$3"
	equal "overload, depth $depth: doubled records" 0 "$5"
done
check "overload: the loss is told" test "$(metric sonde_item_events_total item=requests stage=lost reason=ring_full)" -gt 0
paired=$(metric sonde_request_messages_total state=paired)
check "overload: not all were paired ($paired of 80000)" test "$paired" -lt 80000

# A connection whose order was lost in the storm is paired again when it has come to rest.
record_to "$WORK/calm" "side = server and local_port = $nginx_port"
"$WORK/http_load" "$nginx_port" 20000 32 8 0 noise / /users/17 >"$WORK/out" &
noise=$!
python3 "$work/calm_after_storm.py" "$nginx_port" 200 "$WORK/calm_now" &
calm=$!
wait $noise; touch "$WORK/calm_now"
wait $calm
end_recording
set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/calm" calm)
equal "after the storm: requests that nginx logged" 80 "$1"
equal "after the storm: wrong records" 0 "$3"
equal "after the storm: missing records" 0 "$4"
check "after the storm: they are marked as assumed ($6)" test "$6" = 80
set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/calm" storm)
equal "in the storm: wrong records" 0 "$3"
