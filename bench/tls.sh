#!/bin/sh
# tls.sh - what plaintext costs who speaks TLS: nginx (OpenSSL) and Go.
#	bench/tls.sh [ROUNDS [SECONDS]]
# Loads: nginx over TLS with wrk (HTTP/1.1, connections kept) and with h2load (HTTP/2), and a Go server with both, where Go
# is there. Each round runs a load with nothing on, with requests, with requests and tls, and with nothing again: the last
# against the first is the spread of a row that runs nothing. wrk and h2load use OpenSSL as well, so both ends pay.
# Throughput kept is to be 0.85 with nginx.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk h2load openssl jq curl
ROUNDS=${1:-7} SECONDS_EACH=${2:-4}
PORT=28491 GO_PORT=28492

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/key.pem" -out "$W/cert.pem" -days 2 -subj /CN=localhost 2>"$W/out" || fail "no certificate"
cat >"$W/nginx.conf" <<C
daemon on; worker_processes 1; pid $W/nginx.pid; error_log $W/nginx.err;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path $W/n; proxy_temp_path $W/n; fastcgi_temp_path $W/n; uwsgi_temp_path $W/n;
	scgi_temp_path $W/n; server { listen 127.0.0.1:$PORT ssl http2 backlog=4096; ssl_certificate $W/cert.pem; ssl_certificate_key $W/key.pem;
	ssl_protocols TLSv1.3; location / { return 200 "hello\n"; } } }
C
nginx -c "$W/nginx.conf" 2>"$W/out" || fail "nginx does not start"
at_end nginx_stop
LOADS="nginx_h1 nginx_h2"
if command -v go >"$W/out"; then
	(cd "$W" && cp "$here/../tests/requests/tls.go" . && HOME=$W GO111MODULE=off go build -ldflags='-s -w' -o tls_go tls.go) || fail "the Go server does not build"
	"$W/tls_go" serve 127.0.0.1:$GO_PORT "$W/cert.pem" "$W/key.pem" >"$W/out" 2>&1 &
	at_end "kill $!"
	LOADS="$LOADS go_h1 go_h2"
fi

# Each load prints `OPERATIONS SECONDS`.
by_wrk() { wrk -t1 -c16 -d"${SECONDS_EACH}s" "https://127.0.0.1:$1/" | awk '/requests in/{ n = $1; sub(",", "", $4); t = $4 + 0 } END { print n, t }'; }
by_h2load() { h2load -t1 -c8 -m8 -D "$SECONDS_EACH" "https://127.0.0.1:$1/" | awk -v s="$SECONDS_EACH" '/^requests:/{ n = $8 } END { print n, s }'; }
load_nginx_h1() { by_wrk $PORT; }
load_nginx_h2() { by_h2load $PORT; }
load_go_h1() { by_wrk $GO_PORT; }
load_go_h2() { by_h2load $GO_PORT; }

counted() { scrape | awk '/^sonde_request_duration_seconds_count\{/ && /side="server"/ && /process="(nginx|tls_go)"/ && !/protocol="tls"/{ n += $NF } END { printf "%.0f\n", n }'; }
row() { # LOAD WHO
	case $2 in
	requests) items=requests ;;
	tls) items="requests tls" ;;
	*) items= ;;
	esac
	for item in $items; do "$SONDE" items on "$item" >"$W/out" || fail "cannot switch $item on"; done
	[ "$2" != tls ] || sleep 3 # (programs are looked at once a second, and again after two)
	seen=$([ "$2" = tls ] && counted)
	before=$(busy_ns)
	result=$("load_$1")
	after=$(busy_ns)
	if [ "$2" = tls ]; then
		sleep 0.5
		echo "$1 $result $(($(counted) - seen))" >>"$W/seen"
	fi
	for item in $items; do "$SONDE" items off "$item" >"$W/out"; done
	echo "$1 $2 $result $((after - before))" | awk '{ printf "%s %s %.1f %.1f\n", $1, $2, $3 / $4, $5 / $3 }' >>"$W/rows"
}

agent_start_with_nothing_on --set items.tls.limit=0
machine before
for load in $LOADS; do "load_$load" >"$W/out"; done
round=0
while [ $round -lt "$ROUNDS" ]; do
	for load in $LOADS; do for who in none requests tls again; do row "$load" "$who"; done; done
	round=$((round + 1))
done
echo "medians of $ROUNDS rounds of $SECONDS_EACH s, interleaved"
awk -f "$here/compare.awk" "$W/rows"
echo
printf "%-12s %14s %10s\n" LOAD OPERATIONS COUNTED
awk '{ ops[$1] += $2; seen[$1] += $4 } END { for (l in ops) printf "%-12s %14d %10d\n", l, ops[l], seen[l] }' "$W/seen"
machine after
