# requests - what the tests of the item `requests` share, on top of the system tests' lib.sh. Sourced.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
work=$here/../requests

# build NAME: a program of this folder.
build() { gcc -D_GNU_SOURCE -O2 -w -o "$WORK/$1" "$work/$1.c" -lpthread || { echo "not ok $1: does not build"; exit 1; }; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
is_open() { python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)"; }

# start_nginx: on $nginx_port, its log in $WORK/access.log: id, status, bytes sent, bytes received, seconds.
start_nginx() {
	nginx_port=$(free_port)
	mkdir -p "$WORK/www"
	chmod 755 "$WORK/www"
	head -c 300000 /dev/urandom >"$WORK/www/big"
	cat >"$WORK/nginx.conf" <<-EOC
	daemon off; worker_processes 2; pid $WORK/nginx.pid; error_log $WORK/error.log;
	events { worker_connections 1024; }
	http {
		log_format ids '\$http_x_request_id \$status \$bytes_sent \$request_length \$request_time';
		access_log $WORK/access.log ids;
		keepalive_requests 10000000;
		server {
			listen 127.0.0.1:$nginx_port;
			root $WORK/www;
			location / { return 200 "hello\n"; }
			location /users { return 201 "made\n"; }
			location /missing { return 404; }
			location /broken { return 503; }
			location /big { }
		}
	}
	EOC
	nginx -c "$WORK/nginx.conf" -p "$WORK" 2>/dev/null &
	nginx_pid=$!
	at_end "kill $nginx_pid"
	wait_for 10 is_open "$nginx_port" || { echo "not ok nginx: does not start"; cat "$WORK/error.log"; exit 1; }
}

# record_to FILE FILTER: every record that passes, one JSON object a line, until end_recording. Several clients share the work:
# the agent keeps 512 KiB for each at most, and hands on what lies in the ring ten times a second.
record_to() {
	recorded=$1 recorders=
	for digits in 0 1 2 3 4 5 6 7 8 9; do
		curl -sN --unix-socket "$SONDE_SOCKET" -G "http://localhost/v1/stream?item=requests" \
			--data-urlencode "filter=$2 and request_id ~ \"[$digits]\$\"" >"$1.$digits" &
		recorders="$recorders $!"
	done
	for digits in 0 1 2 3 4 5 6 7 8 9; do wait_for 5 grep -q '^event\|^:' "$1.$digits"; done
}
end_recording() {
	sleep 0.7 # events lie in the ring for up to 100 ms, and the stream's writes are on their way
	# shellcheck disable=SC2086
	kill $recorders 2>/dev/null
	for digits in 0 1 2 3 4 5 6 7 8 9; do cat "$recorded.$digits"; done >"$recorded.sse"
	grep '^data: {"time"' "$recorded.sse" | sed 's/^data: //' | grep '"kind":"request",' >"$recorded"
	refused=$(sed -n 's/^data: {"lost":\([0-9]*\)}/\1/p' "$recorded.sse" | awk '{ n += $1 } END { print n + 0 }')
}
