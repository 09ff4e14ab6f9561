#!/bin/sh
# servers.sh - real servers behind two sidecars (pods a and b of rig/pods.sh, REDIRECT, L4 relays): nginx with uploads and large
# headers, Redis, PostgreSQL, a Go and a Java server. What comes back is right, and 90 % of what each of them sends is redirected.
. "$(dirname "$0")/lib.sh"
rig_dir=$accel_dir/rig RIG=$WORK/rig
. "$rig_dir/pods.sh"
rig_build && pods_up && servers_up || { not_ok "the rig builds"; exit 1; }
at_end sidecars_down
wants() { command -v "$1" >/dev/null || { ok "$2 is left out: there is no '$1'"; return 1; }; case " ${SERVERS:-$2} " in *" $2 "*) ;; *) return 1 ;; esac; }
b=$(pod_address b)
pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
# (no other rule than ports: who they are does not matter here)
start_agent --set items.accel.on=true --set 'items.accel.policy=[{port: [15001, 15006, 8081, 8082, 8083, 6380, 5433], trust: true}]'
refused=$("$SONDE" items --json | jq -r 'select(.name == "accel" and .state == "skipped") | .reason')
[ -z "$refused" ] || { ok "accel is refused here: $refused"; exit 0; }
sidecars_up l4
share() { get /metrics | awk -v process="$1" 'index($0, "process=\"" process "\"") { if ($0 ~ /^sonde_accel_bytes_total/) r += $NF; else if ($0 ~ /^sonde_accel_tcp_bytes_total/) t += $NF } END { printf "%.4f\n", r / (r + t + 1e-9) }'; }
quietly() { "$@" >"$WORK/out" 2>&1; }
# Programs that were never seen are known from the next second on.
known() { get /healthz >/dev/null && sleep 1.5; }
loads() { # NAME PORT OPTIONS...
	name=$1 port=$2; shift 2
	check "$name: $*" in_pod a "$RIG/load" -d 60 "$@" "$b:$port"
}

# The three HTTP servers hand requests on to the rig's own, whose bodies are known; so each is a server and a client.
nginx_config() {
	cat <<-C
	daemon off; worker_processes 1; pid $WORK/nginx.pid; error_log $WORK/nginx.err; user root;
	events { worker_connections 1024; }
	http { access_log off; client_max_body_size 0; client_body_temp_path $WORK/n; proxy_temp_path $WORK/n; fastcgi_temp_path $WORK/n; uwsgi_temp_path $WORK/n; scgi_temp_path $WORK/n;
		large_client_header_buffers 8 64k; keepalive_requests 1000000; upstream rig { server 127.0.0.1:8080; keepalive 16; }
		server { listen $1; location / { proxy_pass http://rig; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Much ""; } } }
	C
}
if wants nginx nginx; then
	nginx_config 8081 >"$WORK/nginx.conf"
	become_in_pod b nginx -c "$WORK/nginx.conf" & at_end "kill $! 2>/dev/null"; until_listens b 8081; known
	loads nginx 8081 -c 16 -n 3000
	loads nginx 8081 -c 8 -n 400 -s 300000
	loads "nginx: uploads" 8081 -c 8 -n 200 -p 1000000
	loads "nginx: small uploads" 8081 -c 8 -n 1000 -p 3000
	loads "nginx: large headers" 8081 -c 8 -n 500 -H 30000
	sleep 1.5; within "nginx: share that was redirected" "$(share nginx)" 0.9 1
fi

if wants go go; then
	mkdir "$WORK/go"
	cat >"$WORK/go/main.go" <<-'G'
	package main

	import (
		"net/http"
		"net/http/httputil"
		"net/url"
		"os"
	)

	func main() {
		to, _ := url.Parse("http://127.0.0.1:8080")
		proxy := httputil.NewSingleHostReverseProxy(to)
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		proxy.Transport = transport
		server := &http.Server{Addr: os.Args[1], Handler: proxy, MaxHeaderBytes: 1 << 20}
		panic(server.ListenAndServe())
	}
	G
	(cd "$WORK/go" && HOME=$WORK GOCACHE=$WORK/go/cache GO111MODULE=off GOFLAGS= CGO_ENABLED=0 go build -o "$WORK/gate" main.go) >"$WORK/out" 2>&1 || { cat "$WORK/out"; not_ok "the Go server builds"; }
	become_in_pod b "$WORK/gate" :8082 & at_end "kill $! 2>/dev/null"; until_listens b 8082; known
	loads go 8082 -c 16 -n 2000
	loads go 8082 -c 8 -n 300 -s 300000
	loads "go: uploads" 8082 -c 8 -n 100 -p 1000000
	sleep 1.5; within "go: share that was redirected" "$(share gate)" 0.9 1
fi

if wants java java; then
	cat >"$WORK/Gate.java" <<-'J'
	import com.sun.net.httpserver.HttpServer;
	import java.net.InetSocketAddress;
	import java.net.URI;
	import java.net.http.HttpClient;
	import java.net.http.HttpRequest;
	import java.net.http.HttpResponse;
	import java.util.concurrent.Executors;

	public class Gate {
		public static void main(String[] arguments) throws Exception {
			HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
			HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(arguments[0])), 64);
			server.setExecutor(Executors.newFixedThreadPool(16));
			server.createContext("/", exchange -> {
				try {
					byte[] body = exchange.getRequestBody().readAllBytes();
					HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:8080" + exchange.getRequestURI()));
					if (exchange.getRequestMethod().equals("POST"))
						request.POST(HttpRequest.BodyPublishers.ofByteArray(body));
					byte[] answer = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray()).body();
					exchange.sendResponseHeaders(200, answer.length);
					exchange.getResponseBody().write(answer);
					exchange.close();
				} catch (InterruptedException e) {
					exchange.close();
				}
			});
			server.start();
		}
	}
	J
	become_in_pod b java -Xmx128m -XX:+UseSerialGC "$WORK/Gate.java" 8083 >"$WORK/java.out" 2>&1 & at_end "kill $! 2>/dev/null"; until_listens b 8083; known
	loads java 8083 -c 16 -n 1000
	loads java 8083 -c 8 -n 200 -s 300000
	loads "java: uploads" 8083 -c 4 -n 50 -p 1000000
	sleep 1.5; within "java: share that was redirected" "$(share java)" 0.9 1
fi

if wants redis-server redis; then
	become_in_pod b redis-server --port 6380 --bind 0.0.0.0 --protected-mode no --save '' --appendonly no --dir "$WORK" >"$WORK/redis.out" 2>&1 & at_end "kill $! 2>/dev/null"; until_listens b 6380
	head -c 3000000 /dev/urandom | base64 >"$WORK/value"
	redis() { in_pod a redis-cli -h "$b" -p 6380 "$@"; }
	redis ping >/dev/null; known
	equal "redis: a large value is taken" OK "$(redis -x set large <"$WORK/value")"
	redis get large | head -c "$(wc -c <"$WORK/value")" >"$WORK/value.back" # (redis-cli ends with a line end of its own)
	check "redis: and given back" cmp "$WORK/value" "$WORK/value.back"
	check "redis: many small ones" quietly in_pod a redis-benchmark -h "$b" -p 6380 -n 30000 -c 20 -d 300 -t set,get -q
	check "redis: pipelines" quietly in_pod a redis-benchmark -h "$b" -p 6380 -n 50000 -c 8 -P 16 -d 100 -t set,get,lpush,lrange_100 -q
	sent=$(redis info stats | tr -d '\r' | sed -n 's/^total_net_output_bytes://p')
	sleep 1.5; within "redis: share that was redirected" "$(share redis-server)" 0.9 1
	within "redis: of what it says it sent" "$(metric sonde_accel_bytes_total process=redis-server)" "$((sent / 10 * 9))" "$((sent / 10 * 11))"
fi

if [ -n "$pg_bin" ] && wants psql postgresql; then
	as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
	mkdir "$WORK/pg"; chown postgres "$WORK/pg"
	as_postgres "$pg_bin/initdb" -D "$WORK/pg" -A trust >"$WORK/out" 2>&1
	echo "host all all 0.0.0.0/0 trust" >>"$WORK/pg/pg_hba.conf"
	become_in_pod b setpriv --reuid postgres --regid postgres --clear-groups "$pg_bin/postgres" -D "$WORK/pg" -p 5433 -c listen_addresses='*' -c unix_socket_directories='' >"$WORK/pg.log" 2>&1 & at_end "kill -INT $! 2>/dev/null; wait $!"; until_listens b 5433
	sql() { in_pod a psql -h "$b" -p 5433 -U postgres -qAtc "$1"; }
	check "postgresql: answers" wait_for 30 sql 'select 1'
	known
	series="select g, md5(g::text), repeat(md5(g::text), g % 40) from generate_series(1, 20000) g"
	in_pod b psql -h 127.0.0.1 -p 5433 -U postgres -qAtc "$series" | md5sum >"$WORK/near"
	sql "$series" | md5sum >"$WORK/far"
	check "postgresql: a large result is the same" cmp "$WORK/near" "$WORK/far"
	in_pod a psql -h "$b" -p 5433 -U postgres -qAt -c "create table t (g int, a text, b text)" -c "\\copy ($series) to '$WORK/rows'" -c "\\copy t from '$WORK/rows'" >"$WORK/out" 2>&1
	equal "postgresql: what is copied in is there" "20000 $(awk -F '\t' '{ n += length($3) } END { print n }' "$WORK/rows")" "$(sql 'select count(*), sum(length(b)) from t' | tr '|' ' ')"
	in_pod a pgbench -h "$b" -p 5433 -U postgres -i -s 1 -q postgres >"$WORK/out" 2>&1
	for mode in simple extended prepared; do
		check "postgresql: pgbench, $mode" quietly in_pod a pgbench -h "$b" -p 5433 -U postgres -n -M $mode -c 4 -t 300 postgres
	done
	equal "postgresql: sums are right" "0|0" "$(sql 'select sum(abalance) - (select sum(tbalance) from pgbench_tellers), sum(abalance) - (select sum(bbalance) from pgbench_branches) from pgbench_accounts')"
	sleep 1.5; within "postgresql: share that was redirected" "$(share postgres)" 0.9 1
fi
case ${SERVERS:-nginx} in *nginx*) within "load: share that was redirected" "$(share load)" 0.9 1 ;; esac
within "relay: share that was redirected" "$(share relay)" 0.9 1
stop_agent
