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

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/key.pem" -out "$WORK/cert.pem" -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>"$WORK/out"
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

# A server with a name of its own (PORT KEY CERTIFICATE NAME), whose records go through memory.
cat >"$WORK/serve.py" <<'EOC'
import asyncio, ssl, sys
open('/proc/self/comm', 'w').write(sys.argv[4])
async def serve(reader, writer):
    while await reader.readline():
        while (await reader.readline()).strip(): pass
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'); await writer.drain()
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[3], sys.argv[2])
    await (await asyncio.start_server(serve, '127.0.0.1', int(sys.argv[1]), ssl=context)).serve_forever()
asyncio.run(main())
EOC
# ---- whose: everything of /tls goes to nginx' TLS port and nothing else, also when the agent begins anew in between ----
mixed() { fetch "https://127.0.0.1:$front_port/tls"; fetch "https://127.0.0.1:$front_port/plain"; }
repeat mixed
sees "haproxy: to the TLS back end" "$COUNT" haproxy client "$tls_port" '"target":"/tls"'
sees "haproxy: from its clients" "$COUNT" haproxy server "$front_port" '"target":"/tls"'
stop_agent
libssl=$(ldd "$(command -v openssl)" | awk '/libssl/{ print $3 }') upgraded_port=$(free_port)
mkdir "$WORK/lib"
cp "$libssl" "$WORK/lib/"
LD_LIBRARY_PATH="$WORK/lib" /usr/bin/python3 "$WORK/serve.py" "$upgraded_port" "$WORK/key.pem" "$WORK/cert.pem" upgraded >"$WORK/out" 2>&1 &
at_end "kill $!"
wait_for 30 is_open "$upgraded_port"
cp "$libssl" "$WORK/lib/new" && mv "$WORK/lib/new" "$WORK/lib/$(basename "$libssl")"
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
	is_go_probed() { "$WORK/sonde_tls_go" get "https://127.0.0.1:$go_port/probe" 1 >"$WORK/out" && [ "$(metric sonde_tls_calls_total process=sonde_tls_go)" -gt 0 ]; }
	wait_for 30 is_go_probed
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

# ---- programs whose records go through memory first: each is tied to its socket by the record that it made ----
cat >"$WORK/serve.js" <<'EOC'
const fs = require('fs');
require('https').createServer({ key: fs.readFileSync(process.argv[3]), cert: fs.readFileSync(process.argv[4]) }, (q, r) => r.end('node')).listen(+process.argv[2], '127.0.0.1');
EOC
# is_probed PROCESS PORT: its calls are seen.
is_probed() { fetch "https://127.0.0.1:$2/probe"; [ "$(metric sonde_tls_calls_total "process=$1")" -gt 0 ]; }
# asked PROCESS PORT TEXT: a quarter of COUNT requests, each with the addresses of its socket.
asked() {
	all=$COUNT COUNT=$(((COUNT + 3) / 4))
	wait_for 60 is_open "$2"
	wait_for 60 is_probed "$1" "$2"
	repeat fetch "https://127.0.0.1:$2/$1"
	sees "$3" "$COUNT" "$1" server "$2" "\"target\":\"/$1\""
	equal "$3: none without its socket" 0 "$(metric sonde_tls_connections_untied_total "process=$1")"
	COUNT=$all
}
async_port=$(free_port)
/usr/bin/python3 "$WORK/serve.py" "$async_port" "$WORK/key.pem" "$WORK/cert.pem" in_memory >"$WORK/out" 2>&1 &
at_end "kill $!"
asked in_memory "$async_port" "Python's asyncio"
if command -v node >"$WORK/out"; then
	node_port=$(free_port)
	node "$WORK/serve.js" "$node_port" "$WORK/key.pem" "$WORK/cert.pem" >"$WORK/out" 2>&1 &
	at_end "kill $!"
	asked node "$node_port" "Node"
fi

# ---- a library that only its process sees, and one that was exchanged under who uses it (before the agent came; see above) ----
asked upgraded "$upgraded_port" "a library that was exchanged while it was in use"
hidden_port=$(free_port)
mkdir "$WORK/hidden"
unshare -m sh -c "mount -t tmpfs none $WORK/hidden && cp $libssl $WORK/hidden/ && exec env LD_LIBRARY_PATH=$WORK/hidden \
	/usr/bin/python3 $WORK/serve.py $hidden_port $WORK/key.pem $WORK/cert.pem hidden" >"$WORK/out" 2>&1 &
at_end "kill $!"
asked hidden "$hidden_port" "a library in another mount namespace"
check "  (that nobody else sees)" test ! -e "$WORK/hidden/$(basename "$libssl")"

# ---- certificates of these handshakes: what openssl says of the file ----
serial=$(openssl x509 -in "$WORK/cert.pem" -noout -serial | cut -d= -f2)
ends=$(date -d "$(openssl x509 -in "$WORK/cert.pem" -noout -enddate | cut -d= -f2)" +%s)
gauge() { get /metrics | grep '^sonde_tls_certificate_not_after_seconds{' | grep "process=\"$1\"" | grep "holder=\"$2\"" | grep "serial=\"$serial\"" | grep 'subject="CN=localhost"' | sed 's/.* //'; }
is_shown() { [ "$(gauge in_memory own | awk '{ printf "%d", $1 }')" = "$ends" ] && [ "$(gauge curl peer | awk '{ printf "%d", $1 }')" = "$ends" ]; }
wait_for 30 is_shown
equal "certificate: of the server, when it ends" "$ends" "$(gauge in_memory own | awk '{ printf "%d", $1 }')"
equal "certificate: what the client was shown" "$ends" "$(gauge curl peer | awk '{ printf "%d", $1 }')"
check "certificate: names are in the record" sh -c "curl -s --unix-socket '$SONDE_SOCKET' 'http://localhost/v1/records/tls' | grep '\"kind\":\"certificate\"' | grep '\"serial\":\"$serial\"' | grep -q '\"names\":\"localhost,127.0.0.1\"'"

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
is_said() { [ "$(metric sonde_item_events_total item=tls stage=lost reason=limit)" -gt 500 ]; }
wait_for 30 is_said
check "limit: what was passed is said where losses are" is_said
more() { [ "$(handshakes)" -gt "$before" ]; }
wait_for 30 more
check "limit: the handshake is told" more
# (one that is looked at again does not take up where it was passed: nothing wrong comes of the gap)
calm() { fetch --http1.1 "https://127.0.0.1:$tls_port/calm"; sleep 0.5; [ "$(seen nginx server "$tls_port" '"target":"/calm"')" -gt 0 ]; }
wait_for 30 calm
check "limit: it is looked at again" calm
equal "limit: no request of another kind" 0 "$(cat "$WORK/stream" | grep '"kind":"request",' | grep '"via":"uprobe"' | grep '"process":"nginx"' | grep '"side":"server"' | grep -vc '"target":"/\(hammer\|calm\|probe[0-9]*\)"')"
