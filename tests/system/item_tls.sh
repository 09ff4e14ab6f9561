#!/bin/sh
# tls: plaintext of real programs, as many requests as their peers count, each with the addresses of its own socket.
. "$(dirname "$0")/../requests/lib.sh"
COUNT=${TLS_COUNT:-20}

# seen PROCESS SIDE PORT [MORE]: exchanges by uprobe in the stream so far, of a server's port.
seen() {
	process=$1 side=$2 port=$3 more=${4:-.}
	cat "$WORK/streams" "$WORK/stream" 2>"$WORK/out" | grep '"kind":"request",' | grep -v '"kind":"request_' | grep '"via":"uprobe"' | grep "\"process\":\"$process\"" | grep "\"side\":\"$side\"" |
		grep "\"$([ "$side" = server ] && echo local || echo remote)_port\":$port[,}]" | grep -c -- "$more"
}
# sees NAME WANTED ...: within 20 seconds.
sees() {
	name=$1 wanted=$2; shift 2
	is_seen() { [ "$(seen "$@")" -ge "$wanted" ]; }
	wait_for 20 is_seen "$@"
	equal "$name" "$wanted" "$(seen "$@")"
}
repeat() { n=0; while [ $n -lt "$COUNT" ]; do n=$((n + 1)); "$@"; done; }

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/key.pem" -out "$WORK/cert.pem" -days 2 -subj /CN=localhost 2>"$WORK/out"
cat "$WORK/key.pem" "$WORK/cert.pem" >"$WORK/both.pem"
chmod 644 "$WORK"/*.pem

# ---- programs older than the agent: nginx, and haproxy in front of it with TLS and plain back ends ----
tls_port=$(free_port) plain_port=$(free_port) front_port=$(free_port)
mkdir "$WORK/nginx"
cat >"$WORK/nginx/conf" <<EOC
daemon off; pid $WORK/nginx/pid; error_log $WORK/nginx/error.log;
events { worker_connections 256; }
http {
	access_log $WORK/nginx/access.log; client_body_temp_path $WORK/nginx/b; proxy_temp_path $WORK/nginx/p; fastcgi_temp_path $WORK/nginx/f;
	uwsgi_temp_path $WORK/nginx/u; scgi_temp_path $WORK/nginx/s;
	server {
		listen 127.0.0.1:$tls_port ssl http2; listen 127.0.0.1:$plain_port;
		ssl_certificate $WORK/cert.pem; ssl_certificate_key $WORK/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
		location / { return 200 "\$scheme\n"; }
	}
}
EOC
nginx -c "$WORK/nginx/conf" 2>"$WORK/out" &
at_end "kill $!"
cat >"$WORK/haproxy.cfg" <<EOC
defaults
	mode http
	timeout connect 5s
	timeout client 300s
	timeout server 300s
frontend front
	bind 127.0.0.1:$front_port ssl crt $WORK/both.pem
	use_backend tls if { path_beg /tls }
	default_backend plain
backend tls
	server a 127.0.0.1:$tls_port ssl verify none
backend plain
	server b 127.0.0.1:$plain_port
EOC
haproxy -f "$WORK/haproxy.cfg" >"$WORK/out" 2>&1 &
at_end "kill $!"
wait_for 20 is_open "$tls_port"
wait_for 20 is_open "$front_port"

# A connection that is open while the agent begins, and asks before and after.
cat >"$WORK/keep.py" <<'EOC'
import http.client, ssl, sys
c = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[1]), context=ssl._create_unverified_context())
for line in sys.stdin:
    c.request('GET', line.strip()); c.getresponse().read(); print('done', flush=True)
EOC
mkfifo "$WORK/ask"
/usr/bin/python3 "$WORK/keep.py" "$front_port" <"$WORK/ask" >"$WORK/asked" &
at_end "kill $!"
exec 4>"$WORK/ask"
echo /before >&4
wait_for 20 grep -q done "$WORK/asked"

start_agent --set items.tls.on=true
# The stream has begun when something that was asked after that is in it.
is_streamed() { probes=$((probes + 1)); curl -sk "https://127.0.0.1:$tls_port/probe$probes" -o "$WORK/out"; sleep 0.2; grep '"kind":"request",' "$WORK/stream" | grep -q "/probe"; }
get_stream() {
	cat "$WORK/stream" >>"$WORK/streams" 2>"$WORK/out"; : >"$WORK/stream"
	# (what else the machine speaks would push out what is looked for here)
	curl -sN --unix-socket "$SONDE_SOCKET" -G "http://localhost/v1/stream?item=requests" --data-urlencode 'filter=via = "uprobe"' >"$WORK/stream" &
	at_end "kill $!"
	probes=0
	wait_for 30 is_streamed
}
get_stream
echo /plain-after >&4
echo /plain-after >&4
two() { [ "$(grep -c done "$WORK/asked")" = 3 ]; }
wait_for 20 two
some() { [ "$(seen python3 client "$front_port" /plain-after)" -ge 1 ]; }
wait_for 20 some # who joins in the middle tells from the second exchange on
within "python: a connection older than the agent" "$(seen python3 client "$front_port" /plain-after)" 1 2

fetch() { curl -sk "$@" -o "$WORK/out"; }
repeat fetch --http1.1 "https://127.0.0.1:$tls_port/h1"
repeat fetch --http2 "https://127.0.0.1:$tls_port/h2"
sees "curl: HTTP/1.1 over TLS" "$COUNT" curl client "$tls_port" '"target":"/h1"'
sees "nginx: HTTP/1.1 over TLS" "$COUNT" nginx server "$tls_port" '"target":"/h1"'
sees "curl: HTTP/2 over TLS" "$COUNT" curl client "$tls_port" '"protocol":"http2".*"target":"/h2"'
sees "nginx: HTTP/2 over TLS" "$COUNT" nginx server "$tls_port" '"protocol":"http2".*"target":"/h2"'

# ---- whose: everything of /tls goes to nginx' TLS port and nothing else, also when the agent begins anew in between ----
mixed() { fetch "https://127.0.0.1:$front_port/tls"; fetch "https://127.0.0.1:$front_port/plain"; }
repeat mixed
sees "haproxy: to the TLS back end" "$COUNT" haproxy client "$tls_port" '"target":"/tls"'
sees "haproxy: from its clients" "$COUNT" haproxy server "$front_port" '"target":"/tls"'
stop_agent
start_agent --set items.tls.on=true
get_stream
repeat mixed
echo /plain-again >&4
sees "haproxy: the same after the agent began anew" $((2 * COUNT)) haproxy client "$tls_port" '"target":"/tls"'
wrong=$(cat "$WORK/streams" "$WORK/stream" | grep '"kind":"request",' | grep -v '"kind":"request_' | grep '"via":"uprobe"' | grep '"process":"haproxy"' | grep '"side":"client"' |
	grep -vc "\"target\":\"/tls.*\"remote_port\":$tls_port[,}]\|\"remote_port\":$tls_port[,}].*\"target\":\"/tls")
equal "haproxy: wrong ends" 0 "$wrong"
wrong=$(cat "$WORK/streams" "$WORK/stream" | grep '"kind":"request",' | grep -v '"kind":"request_' | grep '"via":"uprobe"' | grep '"process":"haproxy"' | grep '"side":"server"' | grep -vc "\"local_port\":$front_port[,}]")
equal "haproxy: wrong clients" 0 "$wrong"
equal "nothing is told of the plain back end as TLS" 0 "$(seen nginx server "$plain_port")"

# ---- other libraries ----
# ask_by NAME COMMAND...: a client that reads its request from a pipe, which stays open until the answer is there.
ask_by() {
	asked=$1; shift
	rm -f "$WORK/pipe"; mkfifo "$WORK/pipe"
	timeout 60 "$@" <"$WORK/pipe" >"$WORK/$asked.out" 2>&1 &
	asker=$!
	exec 5>"$WORK/pipe"
	printf 'GET /%s HTTP/1.0\r\n\r\n' "$asked" >&5
	wait_for 30 grep -q '200 O' "$WORK/$asked.out"
	exec 5>&-
	wait "$asker"
}
ask_by openssl openssl s_client -quiet -connect "127.0.0.1:$tls_port"
sees "openssl s_client" 1 openssl client "$tls_port" '"target":"/openssl"'
if command -v gnutls-serv >"$WORK/out"; then
	gnutls_port=$(free_port)
	gnutls-serv --http --port "$gnutls_port" --x509certfile "$WORK/cert.pem" --x509keyfile "$WORK/key.pem" >"$WORK/out" 2>&1 &
	at_end "kill $!"
	wait_for 20 is_open "$gnutls_port"
	ask_by gnutls gnutls-cli --insecure -p "$gnutls_port" 127.0.0.1
	sees "GnuTLS: client" 1 gnutls-cli client "$gnutls_port" '"target":"/gnutls"'
	sees "GnuTLS: server" 1 gnutls-serv server "$gnutls_port" '"target":"/gnutls"'
fi
if command -v tstclnt >"$WORK/out"; then
	ask_by nss tstclnt -h 127.0.0.1 -p "$tls_port" -o -D
	sees "NSS: client" 1 tstclnt client "$tls_port" '"target":"/nss"'
fi
if [ -n "${TLS_GO:-}" ]; then # (building takes longer than all of the above)
	go_port=$(free_port)
	(cd "$WORK" && cp "$work/tls.go" tls.go && HOME=$WORK GO111MODULE=off go build -ldflags='-s -w' -o sonde_tls_go tls.go)
	"$WORK/sonde_tls_go" serve "127.0.0.1:$go_port" "$WORK/cert.pem" "$WORK/key.pem" >"$WORK/out" 2>&1 &
	at_end "kill $!"
	wait_for 20 is_open "$go_port"
	is_probed() { "$WORK/sonde_tls_go" get "https://127.0.0.1:$go_port/probe" 1 >"$WORK/out" && [ "$(metric sonde_tls_calls_total process=sonde_tls_go)" -gt 0 ]; }
	wait_for 30 is_probed
	"$WORK/sonde_tls_go" get "https://127.0.0.1:$go_port/go1" "$COUNT"
	"$WORK/sonde_tls_go" get "https://127.0.0.1:$go_port/go2" "$COUNT" h2
	for side in client server; do
		sees "Go, stripped, HTTP/1.1: $side" "$COUNT" sonde_tls_go $side "$go_port" '"protocol":"http".*"target":"/go1"'
		sees "Go, stripped, HTTP/2: $side" "$COUNT" sonde_tls_go $side "$go_port" '"protocol":"http2".*"target":"/go2"'
	done
	equal "Go: no connection went without its socket" 0 "$(metric sonde_tls_connections_untied_total process=sonde_tls_go)"
fi
check "the cost is told by process" test "$(metric sonde_tls_calls_total process=haproxy)" -gt 0
equal "no connection went without its socket" 0 "$(metric sonde_tls_connections_untied_total process=haproxy)"

# ---- a process that calls too often: its handshakes are told, its calls are counted, and it is looked at again when it calls less ----
stop_agent
start_agent --set items.tls.on=true --set items.tls.limit=20
get_stream
cat >"$WORK/hammer.py" <<'EOC'
import http.client, ssl, sys
c = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[1]), context=ssl._create_unverified_context())
for i in range(int(sys.argv[2])):
    c.request('GET', '/hammer'); c.getresponse().read()
EOC
handshakes() { metric sonde_request_duration_seconds_count process=nginx protocol=tls side=server; }
before=$(handshakes)
/usr/bin/python3 "$WORK/hammer.py" "$tls_port" 500
check "limit: calls are passed, and counted" test "$(metric sonde_tls_calls_passed_total process=nginx)" -gt 500
more() { [ "$(handshakes)" -gt "$before" ]; }
wait_for 30 more
check "limit: the handshake is told" more
# (one that is looked at again does not take up where it was passed: nothing wrong comes of the gap)
calm() { fetch --http1.1 "https://127.0.0.1:$tls_port/calm"; sleep 0.5; [ "$(seen nginx server "$tls_port" '"target":"/calm"')" -gt 0 ]; }
wait_for 30 calm
check "limit: it is looked at again" calm
equal "limit: no request of another kind" 0 "$(cat "$WORK/stream" | grep '"kind":"request",' | grep '"via":"uprobe"' | grep '"process":"nginx"' | grep '"side":"server"' | grep -vc '"target":"/\(hammer\|calm\|probe[0-9]*\)"')"
