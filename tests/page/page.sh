#!/bin/sh
# The page in a real browser: Debian's chromium on a real agent with nginx, PostgreSQL and Redis traffic. Needs root, node and
# `npm ci` in this folder. PAGE=short: every view loads and is accessible, hostile names do nothing; no numbers, no pictures.
. "$(dirname "$0")/../system/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
alone page
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
is_open() { python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null; }

export PAGE_PORT NGINX_PORT PG_PORT REDIS_PORT PG_BIN SONDE WORK PAGE
PAGE_PORT=$(free_port) NGINX_PORT=$(free_port) PG_PORT=$(free_port) REDIS_PORT=$(free_port) PAGE=${PAGE:-whole}
cp "$SONDE" "$WORK/sonde" && SONDE=$WORK/sonde

mkdir "$WORK/www"
echo hello >"$WORK/www/index.html"
cat >"$WORK/nginx.conf" <<EOC
worker_processes 1; daemon off; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events { worker_connections 512; }
http { access_log off; client_body_temp_path $WORK/n1; proxy_temp_path $WORK/n2; fastcgi_temp_path $WORK/n3; uwsgi_temp_path $WORK/n4; scgi_temp_path $WORK/n5;
 server { listen 127.0.0.1:$NGINX_PORT; root $WORK/www; keepalive_requests 10000000; large_client_header_buffers 4 16k; } }
EOC
nginx -c "$WORK/nginx.conf" &
at_end "kill $!"
redis-server --port "$REDIS_PORT" --save '' --dir "$WORK" >"$WORK/redis.log" &
at_end "kill $!"
PG_BIN=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
if [ "$PAGE" = whole ]; then
	mkdir "$WORK/pg"; chown postgres "$WORK/pg"
	as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
	as_postgres "$PG_BIN/initdb" -D "$WORK/pg" -A trust >"$WORK/out" 2>&1
	as_postgres "$PG_BIN/postgres" -D "$WORK/pg" -p "$PG_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories='' >"$WORK/pg.log" 2>&1 &
	at_end "kill $!"
	wait_for 60 is_open "$PG_PORT"
	pgbench -h 127.0.0.1 -p "$PG_PORT" -U postgres -i -s 1 postgres >"$WORK/out" 2>&1
fi
wait_for 30 is_open "$NGINX_PORT"
wait_for 30 is_open "$REDIS_PORT"

# The token is made at the start, and printed as the page's address.
"$SONDE" run --set "listen=[unix:$SONDE_SOCKET, 127.0.0.1:$PAGE_PORT]" --set "store.path=$WORK/store" --set store.interval=1s --set "token_file=$WORK/etc/token" 2>"$WORK/agent.log" &
agent_pid=$!
wait_for 60 is_ready || { echo "not ok agent: did not become ready"; cat "$WORK/agent.log"; exit 1; }
wait_for 10 grep -q '^page ' "$WORK/agent.log"
equal "the token is made, readable by root only" 600 "$(stat -c %a "$WORK/etc/token")"
equal "the page's address is printed with it" "page http://127.0.0.1:$PAGE_PORT/#token=$(cat "$WORK/etc/token")" "$(grep '^page ' "$WORK/agent.log")"
equal "the page needs no token" 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PAGE_PORT/")"
equal "a change does" 401 "$(curl -s -o /dev/null -w '%{http_code}' -X PATCH -d '{"on":true}' "http://127.0.0.1:$PAGE_PORT/v1/items/syscalls")"
export AGENT_PID=$agent_pid
timeout "${PAGE_SECONDS:-900}" node "$here/page.mjs" || not_ok "page: the browser's tests ended with an error"
agent_pid=$(cat "$WORK/agent.pid" 2>/dev/null || echo "$agent_pid") # it was killed and started anew
