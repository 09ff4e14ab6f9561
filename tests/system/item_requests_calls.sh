#!/bin/sh
# requests: every call that moves bytes over a socket, to the byte; and connections that change hands or follow each other on
# one descriptor are never mixed up.
. "$(dirname "$0")/../requests/lib.sh"
build every_call
build handed_over
start_nginx
start_agent

record_to "$WORK/calls" 'host = every'
"$WORK/every_call" "$(free_port)" >"$WORK/truth" 2>"$WORK/tcp"
end_recording
equal "refused by the stream" 0 "$refused"
"$work/match_calls.py" "$WORK/truth" "$WORK/calls" >"$WORK/verdict"
cat "$WORK/verdict"
failures=$((failures + $(grep -c '^not ok' "$WORK/verdict")))

record_to "$WORK/handed" "side = client and remote_port = $nginx_port"
"$WORK/handed_over" "$nginx_port" 10000 >"$WORK/truth"
end_recording
set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/handed" reuse)
equal "10000 connections on a few descriptors: logged" 10000 "$1"
equal "10000 connections on a few descriptors: wrong" 0 "$3"
equal "10000 connections on a few descriptors: missing" "$refused" "$4"
equal "10000 connections on a few descriptors: connections" "$((10000 - refused))" "$(jq -r 'select(.request_id | startswith("reuse")) | .connection' "$WORK/handed" | sort -u | wc -l)"
jq -r 'select(.request_id | startswith("handed")) | "\(.request_id) \(.pid)"' "$WORK/handed" | sort >"$WORK/pids"
sort "$WORK/truth" >"$WORK/truth.sorted"
check "duplicate, child and stranger are told apart" cmp "$WORK/truth.sorted" "$WORK/pids"
equal "and it was one connection" 1 "$(jq -r 'select(.request_id | startswith("handed")) | .connection' "$WORK/handed" | sort -u | wc -l)"
equal "kernel: nothing lost" 0 "$(metric sonde_item_events_total item=requests stage=lost)"

# A connection that was pushed out of a table that is far too small comes back when it speaks again.
stop_agent
start_agent --set items.requests.connections=8 --set "items.requests.where=port = $nginx_port"
cat >"$WORK/pushed.py" <<EOC
import socket, time
def ask(s, name):
    s.sendall(b'GET / HTTP/1.1\r\nHost: pushed\r\nX-Request-Id: %s\r\n\r\n' % name.encode())
    assert b'hello' in s.recv(4096)
    time.sleep(0.02)
first = socket.create_connection(('127.0.0.1', $nginx_port))
for i in range(3): ask(first, f'pushed-{i}')
others = [socket.create_connection(('127.0.0.1', $nginx_port)) for i in range(20)]
for i, s in enumerate(others): ask(s, f'other-{i}')
time.sleep(0.5)
for i in range(3, 10): ask(first, f'pushed-{i}')
EOC
record_to "$WORK/pushed" "side = server and host = pushed"
python3 "$WORK/pushed.py"
end_recording
ids() { jq -r '.request_id' "$WORK/pushed" | grep "^$1" | sort -u | wc -l; }
equal "pushed out: the others were seen" 20 "$(ids other)"
within "pushed out: it was seen before, and again" "$(ids pushed)" 8 10
set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/pushed" pushed)
equal "pushed out: nothing wrong" 0 "$3"
