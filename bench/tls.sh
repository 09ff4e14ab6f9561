#!/bin/sh
# tls.sh - what plaintext costs who speaks TLS: nginx (OpenSSL) and Go.
#	bench/tls.sh [ROUNDS [SECONDS]]
# Loads: nginx over TLS with wrk (HTTP/1.1, connections kept) and with h2load (HTTP/2), and a Go server with both, where Go
# is there. Once both ends are probed, since wrk and h2load use OpenSSL as well; once (_alone) only the server is: the client runs
# with a copy of the library that has another name. Each round runs a load with nothing on, with requests, with requests and tls, and with nothing again: the last
# against the first is the spread of a row that runs nothing. Throughput kept is to be 0.85 with nginx.
# CPU is that of the whole machine; SERVER and CLIENT are what a request costs the two processes alone, which other load
# on the machine disturbs less: kept = what it cost without / with.
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
LOADS="nginx_h1 nginx_h1_alone nginx_h2 nginx_h2_alone"
mkdir "$W/lib"
library=$(ldd "$(command -v wrk)" | awk '/libssl/{ print $3 }')
cp "$library" "$W/lib/unprobed.so" && ln -s unprobed.so "$W/lib/$(basename "$library")"
if command -v go >"$W/out"; then
	(cd "$W" && cp "$here/../tests/requests/tls.go" . && HOME=$W GO111MODULE=off go build -ldflags='-s -w' -o tls_go tls.go) || fail "the Go server does not build"
	"$W/tls_go" serve 127.0.0.1:$GO_PORT "$W/cert.pem" "$W/key.pem" >"$W/out" 2>&1 &
	go_pid=$!
	at_end "kill $go_pid"
	LOADS="$LOADS go_h1 go_h1_alone go_h2 go_h2_alone"
fi

# Each load prints `OPERATIONS SECONDS CPU`: of the client, ns.
children_ns() { awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, "[ms]"); n += t[1] * 60 + t[2] } printf "%.0f\n", n * 1e9 }' "$W/times"; }
by_wrk() { wrk -t1 -c16 -d"${SECONDS_EACH}s" "https://127.0.0.1:$1/" >"$W/client"; times >"$W/times"; awk -v cpu="$(children_ns)" '/requests in/{ n = $1; sub(",", "", $4); t = $4 + 0 } END { print n, t, cpu }' "$W/client"; }
by_h2load() { h2load -t1 -c8 -m8 -D "$SECONDS_EACH" "https://127.0.0.1:$1/" >"$W/client"; times >"$W/times"; awk -v s="$SECONDS_EACH" -v cpu="$(children_ns)" '/^requests:/{ n = $8 } END { print n, s, cpu }' "$W/client"; }
load() { # NAME: in a process of its own, whose children are this client
	case $1 in *_alone) export LD_LIBRARY_PATH="$W/lib" ;; esac
	case $1 in nginx*) port=$PORT ;; *) port=$GO_PORT ;; esac
	case $1 in *_h1*) by_wrk $port ;; *) by_h2load $port ;; esac
}
server_pids() { case $1 in nginx*) pgrep -P "$(cat "$W/nginx.pid")" ;; *) echo "$go_pid" ;; esac; }

counted() { # LOAD
	case $1 in nginx*) name=nginx ;; *) name=tls_go ;; esac
	scrape | awk -v p="process=\"$name\"" '/^sonde_request_duration_seconds_count\{/ && /side="server"/ && index($0, p) && !/protocol="tls"/{ n += $NF } END { printf "%.0f\n", n }'
}
row() { # LOAD WHO
	case $2 in
	requests) items=requests ;;
	tls) items="requests tls" ;;
	*) items= ;;
	esac
	for item in $items; do "$SONDE" items on "$item" >"$W/out" || fail "cannot switch $item on"; done
	[ "$2" != tls ] || sleep 3 # (programs are looked at once a second, and again after two)
	seen=$([ "$2" = tls ] && counted "$1")
	# shellcheck disable=SC2046
	server=$(cpu_ns $(server_pids "$1")) before=$(busy_ns)
	result=$(load "$1")
	after=$(busy_ns)
	# shellcheck disable=SC2046
	server=$(($(cpu_ns $(server_pids "$1")) - server))
	if [ "$2" = tls ]; then
		sleep 0.5
		echo "$1 $result $(($(counted "$1") - seen))" >>"$W/seen"
	fi
	for item in $items; do "$SONDE" items off "$item" >"$W/out"; done
	echo "$1 $2 $result $((after - before)) $server" | awk -v ends="$W/ends" '{ printf "%s %s %.1f %.1f\n", $1, $2, $3 / $4, $6 / $3; print $1, $2, $7 / $3, $5 / $3 >>ends }' >>"$W/rows"
}

agent_start_with_nothing_on --set items.tls.limit=0
machine before
for load in $LOADS; do (load "$load") >"$W/out"; done
round=0
while [ $round -lt "$ROUNDS" ]; do
	for load in $LOADS; do for who in none requests tls again; do row "$load" "$who"; done; done
	round=$((round + 1))
done
echo "medians of $ROUNDS rounds of $SECONDS_EACH s, interleaved"
awk -f "$here/compare.awk" "$W/rows"
echo
printf "%-16s %-10s %10s %10s   KEPT BY THE SERVER, BY BOTH (medians; ns of CPU a request)\n" LOAD ITEM SERVER CLIENT
sort -k1,1 -k2,2 -k3,3n "$W/ends" | awk '
	function row() { if (n) { s = sv[int((n + 1) / 2)]; c = cl[int((n + 1) / 2)]; key[++rows] = k; server[k] = s; client[k] = c } n = 0 }
	{ if ($1 " " $2 != k) { row(); k = $1 " " $2 } sv[++n] = $3; cl[n] = $4 }
	END { row(); for (i = 1; i <= rows; i++) { split(key[i], p, " "); b = p[1] " none";
		printf "%-16s %-10s %10.0f %10.0f   %.3f %.3f\n", p[1], p[2], server[key[i]], client[key[i]], server[b] / server[key[i]], (server[b] + client[b]) / (server[key[i]] + client[key[i]]) } }'
echo
printf "%-16s %14s %10s\n" LOAD OPERATIONS COUNTED
awk '{ ops[$1] += $2; seen[$1] += $5 } END { for (l in ops) printf "%-16s %14d %10d\n", l, ops[l], seen[l] }' "$W/seen"
machine after
