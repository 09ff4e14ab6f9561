# lib - what the benches share: an agent of their own, an nginx, the CPU of the whole machine, medians. Sourced.
# Makes $W (a folder that is removed at the end) and $SONDE_SOCKET. A bench prints the load average before and after:
# numbers of a busy machine are worth nothing.
set -u
SONDE=${SONDE:-$(cd "$here/.." && pwd)/build/sonde}
W=$(mktemp -d /tmp/sonde-bench-XXXXXX)
chmod 755 "$W"
export SONDE_SOCKET=$W/sonde.sock
agent= enders=
at_end() { enders="$enders $*;"; }
finish() {
	eval "$enders" 2>/dev/null
	agent_stop
	rm -rf "$W"
}
trap finish EXIT
trap 'exit 1' INT TERM

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }
need() { for program in "$@"; do command -v "$program" >/dev/null || fail "needs '$program'; install its Debian package"; done; }
machine() { echo "load average $1: $(cut -d' ' -f1-3 /proc/loadavg); $(nproc) CPUs, kernel $(uname -r)"; }
# What there is, and what is on by default: without an agent, one with nothing on is asked.
env -u SONDE_SOCKET "$SONDE" items --json </dev/null >"$W/items" || fail "cannot list the items"
ITEMS=$(jq -r .name "$W/items" | sort | tr "\n" " ") DEFAULTS=$(jq -r "select(.default) | .name" "$W/items" | tr "\n" " ")

# agent_start [ARGUMENTS OF run]: returns when it says `ready`.
agent_start() {
	: >"$W/agent.log"
	"$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$W/store" "$@" 2>"$W/agent.log" & agent=$!
	until grep -q '^ready' "$W/agent.log"; do kill -0 $agent 2>/dev/null || { cat "$W/agent.log" >&2; fail "the agent ended"; }; sleep 0.05; done
}
agent_start_with_nothing_on() {
	set -- "$@"
	for item in $ITEMS; do set -- "$@" --set "items.$item.on=false"; done
	agent_start "$@"
}
agent_stop() { [ -n "$agent" ] && kill "$agent" 2>/dev/null && wait "$agent"; agent=; }
agent_pids() { "$SONDE" status --json | jq -r '.broker.pid, .worker.pid' | tr '\n' ' '; }
scrape() { curl -s --unix-socket "$SONDE_SOCKET" http://localhost/metrics; }

# CPU of processes from their schedstat: ns, exact, without waiting for a tick.
cpu_ns() { for p in "$@"; do cat /proc/"$p"/task/*/schedstat 2>/dev/null; done | awk '{ n += $1 } END { printf "%.0f\n", n }'; }
rss_kib() { for p in "$@"; do awk '/^VmRSS/{ print $2 }' /proc/"$p"/status; done | awk '{ n += $1 } END { print n + 0 }'; }
# CPU of the whole machine that was not idle: ns. (What BPF programs cost falls on whoever runs them.)
busy_ns() { awk '/^cpu /{ printf "%.0f\n", ($2 + $3 + $4 + $7 + $8) * 1e7 }' /proc/stat; }

nginx_start() { # PORT
	cat >"$W/nginx.conf" <<C
daemon on; worker_processes 1; pid $W/nginx.pid; error_log $W/nginx.err;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path $W/n; proxy_temp_path $W/n; fastcgi_temp_path $W/n; uwsgi_temp_path $W/n;
	scgi_temp_path $W/n; server { listen 127.0.0.1:$1 backlog=4096; location / { return 200 "hello\n"; } } }
C
	nginx -c "$W/nginx.conf" || fail "nginx does not start"
	at_end "nginx_stop"
}
nginx_stop() { [ -s "$W/nginx.pid" ] && kill "$(cat "$W/nginx.pid")" && rm -f "$W/nginx.pid"; }
