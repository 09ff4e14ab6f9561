#!/bin/sh
# requests, the kernel half: bytes of each connection against tcp_info; what `where` turns away before it is copied; other ways to see
# calls; Unix sockets; state that goes with its socket. SWEEP=1000000: so many short connections.
. "$(dirname "$0")/../requests/lib.sh"
build every_call
build http_load
build short_connections
start_nginx

# captured + cut + lost = moved, of each connection, at both ends
port=$(free_port)
start_agent --set "items.requests.where=port = $port"
moved() { for state in captured cut lost; do metric sonde_request_stream_bytes_total state=$state; done | awk '{ n += $1 } END { printf "%d\n", n }'; }
has_moved() { [ "$(moved)" = "$1" ]; }
for ways in "write read" "sendfile splice" "splice trunc" "sendmmsg recvmmsg" "uring_send zerocopy" "uring_writev uring_readv" "zerocopy uring_recvmsg" "scattered peek"; do
	before=$(moved)
	# shellcheck disable=SC2086
	"$WORK/every_call" "$port" $ways >"$WORK/out" 2>"$WORK/tcp"
	read -r sent received <"$WORK/tcp"
	wait_for 30 has_moved $((before + 2 * (sent + received)))
	equal "$ways: captured + cut + lost are the bytes of tcp_info, at both ends" $((2 * (sent + received))) $(($(moved) - before))
done
equal "nothing of them was lost" 0 "$(metric sonde_request_stream_bytes_total state=lost)"

# filters, set while it runs
served() { metric sonde_request_duration_seconds_count side=server process=nginx; }
emitted() { metric sonde_item_events_total item=requests stage=emitted; }
filtered() { metric sonde_item_events_total item=requests stage=filtered; }
load() { "$WORK/http_load" "$nginx_port" "$1" 1 "$2" 0 "$3" / >"$WORK/out"; }
# set_where EXPR: until the kernel half has it.
set_where() {
	"$SONDE" items on requests "where=$1" >"$WORK/out" || not_ok "cannot set '$1'"
	sleep 1.5
}
goes_through() { was=$(served); load 1 1 probe; sleep 0.3; [ "$(served)" -gt "$was" ]; }
is_turned_away() { was=$(emitted); load 20 1 probe; sleep 1.2; [ "$(emitted)" = "$was" ]; }
has_served() { [ "$(served)" -ge "$1" ]; }
has_filtered() { [ "$(filtered)" -ge "$1" ]; }
turns_away() { # NAME EXPR
	set_where "$2"
	check "$1: takes effect" wait_for 30 is_turned_away
	before=$(served) told=$(emitted) away=$(filtered)
	load 500 1 away
	sleep 0.5
	within "$1: what is not asked for is not copied" $(($(emitted) - told)) 0 60
	equal "$1: nor counted" "$before" "$(served)"
	[ "$3" = protocol ] || check "$1: it is counted as filtered" wait_for 30 has_filtered $((away + 1000))
}
lets_through() { # NAME EXPR
	set_where "$2"
	check "$1: takes effect" wait_for 30 goes_through
	before=$(served)
	load 500 1 through
	wait_for 30 has_served $((before + 500))
	equal "$1: what is asked for is there" $((before + 500)) "$(served)"
}
lets_through "port and address" "port = $nginx_port and addr = 127.0.0.1"
turns_away "address" "port = $nginx_port and addr = 192.0.2.7" address
turns_away "pid" "pid = $$ and port = $nginx_port" pid
record_to "$WORK/one" "side = server and local_port = $nginx_port"
set_where "port = $nginx_port"
wait_for 30 goes_through
load 10 1 cgroup
end_recording
cgroup=$(jq -r .cgroup "$WORK/one" | head -n 1)
lets_through "control group $cgroup" "cgroup = \"$cgroup\" and port = $nginx_port"
turns_away "protocol" "protocol = mysql and port = $nginx_port" protocol
set_where "port = $nginx_port"
wait_for 30 goes_through
"$SONDE" items on requests sample=4 >"$WORK/out"
wait_for 60 goes_through
before=$(served)
for i in 1 2 3 4 5 6 7 8; do load 50 50 "sample-$i"; done
wait_for 30 has_served $((before + 60))
within "sample: of 400 connections about each fourth" $(($(served) - before)) 60 140
"$SONDE" items on requests sample=1 >"$WORK/out"

# state goes with its socket
stop_agent
start_agent --set "items.requests.where=port = $nginx_port"
count=${SWEEP:-5000}
"$WORK/short_connections" "$nginx_port" "$count" >"$WORK/out"
equal "$count short connections were answered" "$count" "$(cat "$WORK/out")"
no_more_than() { [ "$(metric sonde_table_entries table=requests)" -le 64 ]; }
check "none of them is left in the user half" wait_for 30 no_more_than
# (a reset that comes on another CPU after the send let go of the socket, and before it is told, ends the connection first)
least=$((count - count / 200))
wait_for 30 has_served "$least"
within "requests of them were counted" "$(served)" "$least" "$count"
stop_agent

# ways to see calls, forced: the end of system calls works everywhere, the others in tests/kernels
for way in tp_btf/sock_send_length raw_tp/sys_exit; do
	start_agent --set "items.requests.where=port = $nginx_port" --set "items.requests.hook.send=$way"
	record_to "$WORK/way" "side = server and local_port = $nginx_port"
	"$WORK/http_load" "$nginx_port" 2000 4 4 2000 way / /users/17 /missing >"$WORK/out"
	end_recording
	# shellcheck disable=SC2046
	set -- $("$work/match_log.py" "$WORK/access.log" "$WORK/way" way)
	equal "$way: logged" 2000 "$1"
	equal "$way: wrong records" 0 "$3"
	equal "$way: missing records" "$refused" "$4"
	equal "$way: each says so" "${way#*/}" "$(jq -r .via "$WORK/way" | sort -u)"
	equal "$way: the choice is shown" "$way" "$("$SONDE" items --json | jq -r 'select(.name == "requests") | .hooks[] | select(.hook == "send") | .section')"
	: >"$WORK/access.log"
	stop_agent
done

# Unix sockets, when asked for
cat >"$WORK/unix.py" <<EOC
import os, socket, sys
path = '$WORK/http.sock'
if os.fork() == 0:
    for i in range(20):
        s = socket.socket(socket.AF_UNIX); s.connect(path)
        for j in range(5):
            s.sendall(b'GET /unix HTTP/1.1\r\nHost: unix\r\n\r\n'); assert s.recv(4096).endswith(b'hello\n')
        s.close()
    os._exit(0)
l = socket.socket(socket.AF_UNIX)
l.bind(path); l.listen(8)
for i in range(20):
    c, _ = l.accept()
    while c.recv(4096):
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n')
    c.close()
os.wait()
EOC
sed -i 's/^if os.fork/l0 = None\nif os.fork/' "$WORK/unix.py"
python3 - "$WORK/unix.py" <<'EOC'
import sys
text = open(sys.argv[1]).read()
listen = "l = socket.socket(socket.AF_UNIX)\nl.bind(path); l.listen(8)\n"
text = text.replace(listen, '').replace('l0 = None\n', listen)
open(sys.argv[1], 'w').write(text)
EOC
for on in false true; do
	rm -f "$WORK/http.sock"
	start_agent --set items.requests.unix=$on
	record_to "$WORK/unix" 'transport = unix and target = /unix'
	python3 "$WORK/unix.py"
	sleep 0.5
	# (each is joined: 4 of 5)
	wanted=$([ $on = true ] && echo 80 || echo 0)
	for side in client server; do
		within "unix=$on: exchanges of the $side" "$(metric sonde_request_duration_seconds_count side=$side resource=/unix)" "$wanted" $((wanted * 5 / 4))
	done
	end_recording
	stop_agent
done
