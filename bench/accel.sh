#!/bin/sh
# accel.sh - what acceleration gives: client, sidecar (haproxy, mode http), server (nginx) on loopback, off and on in turn.
#	bench/accel.sh [ROUNDS [SECONDS]]
# Rows: requests a second, median latency and CPU of the whole machine a request, by way: `both` (client - haproxy - nginx, both
# hops accelerated), `direct` (client - nginx), connections that are closed after each request, one connection, bodies of
# 64 kB and 1 MB. Each round runs every row off and on; printed are medians of the rounds' ratios. (An L4 proxy, a sidecar on
# each side in namespaces of its own and hops over Unix sockets are still to come.)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk haproxy jq curl
ROUNDS=${1:-9} SECONDS_EACH=${2:-3}
for program in nginx wrk haproxy; do cp "$(readlink -f "$(command -v $program)")" "$W/$program"; done # (only ours are chosen)
SERVER=28481 PROXY=28482
cat >"$W/nginx.conf" <<C
daemon on; worker_processes 1; pid $W/nginx.pid; error_log $W/nginx.err;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path $W/n; proxy_temp_path $W/n; fastcgi_temp_path $W/n; uwsgi_temp_path $W/n;
	scgi_temp_path $W/n; root $W/files; server { listen 127.0.0.1:$SERVER backlog=4096; location / { } } }
C
mkdir "$W/files"; chmod 755 "$W/files"
for size in 1k 64k 1m; do head -c $size /dev/zero | tr '\0' x >"$W/files/$size"; done
cat >"$W/haproxy.cfg" <<C
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 5s
	http-reuse always
frontend in
	bind 127.0.0.1:$PROXY
	default_backend out
backend out
	server one 127.0.0.1:$SERVER
C
"$W/nginx" -c "$W/nginx.conf" || fail "nginx does not start"
at_end 'kill $(cat "$W/nginx.pid")'
"$W/haproxy" -D -p "$W/haproxy.pid" -f "$W/haproxy.cfg" || fail "haproxy does not start"
at_end 'kill $(cat "$W/haproxy.pid")'
agent_start_with_nothing_on --set "items.accel.policy=[{select: \"exe ~ \\\"^$W/\\\"\", trust: true}]"

# row NAME STATE CONNECTIONS PORT FILE [HEADER]
row() {
	name=$1 state=$2 connections=$3 url=http://127.0.0.1:$4/$5; shift 5
	before=$(busy_ns)
	"$W/wrk" -t1 -c"$connections" -d"${SECONDS_EACH}s" --latency ${1:+-H "$1"} "$url" >"$W/wrk.out"
	after=$(busy_ns)
	awk -v name="$name" -v state="$state" -v cpu=$((after - before)) '
		/50%/ { unit = $2; value = $2 + 0; p50 = unit ~ /ms/ ? value * 1000 : unit ~ /us/ ? value : value * 1e6 }
		/requests in/ { n = $1 } /Requests\/sec/ { rate = $2 } /Non-2xx|Socket errors/ { bad = 1 }
		END { if (bad) print "errors in " name > "/dev/stderr"; print name, state, rate, p50, cpu / n / 1000 }' "$W/wrk.out" >>"$W/rows"
}
round=0
machine before
while [ $round -lt "$ROUNDS" ]; do
	for state in off on; do
		"$SONDE" items $state accel >/dev/null || fail "cannot switch accel $state"
		sleep 1.2 # every program is known
		row both $state 16 $PROXY 1k
		row direct $state 16 $SERVER 1k
		row both_one_connection $state 1 $PROXY 1k
		row both_short $state 16 $PROXY 1k "Connection: close"
		row both_64k $state 16 $PROXY 64k
		row both_1m $state 16 $PROXY 1m
	done
	scrape | awk '/^sonde_accel_(tcp_)?bytes_total/ { sub(/{.*/, "", $1); sum[$1] += $2 } END { r = sum["sonde_accel_bytes_total"]; t = sum["sonde_accel_tcp_bytes_total"]; printf "redirected: %.1f %% of %.0f bytes\n", 100 * r / (r + t + 1e-9), r + t }'
	round=$((round + 1))
done
awk '{ k = $1 " " $2; n[k]++; rate[k, n[k]] = $3; p50[k, n[k]] = $4; cpu[k, n[k]] = $5; names[$1] = 1 }
	function median(a, m,   i, j, t) { for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t } return a[int((m + 1) / 2)] }
	END { for (name in names) { m = n[name " on"]; for (i = 1; i <= m; i++) { q[i] = rate[name " on", i] / rate[name " off", i]; l[i] = p50[name " on", i] / p50[name " off", i]; c[i] = cpu[name " on", i] / cpu[name " off", i]; r[i] = rate[name " off", i] }
		printf "%-22s off %8.0f/s   on: QPS x%.2f, p50 %+.0f %%, CPU a request %+.0f %%\n", name, median(r, m), median(q, m), 100 * (median(l, m) - 1), 100 * (median(c, m) - 1) } }' "$W/rows"
machine after
