#!/bin/sh
# Grafana's dashboards: every panel's query has an answer, from a Prometheus that scraped the agent and from the agent itself.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
alone grafana

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) web=$(free_port) prometheus=$(free_port) closed=$(free_port)
python3 "$here/../../tools/grafana_dashboards.py" "$WORK"
for file in "$here"/../../deploy/grafana/*.json; do
	check "$(basename "$file") is what tools/grafana_dashboards.py makes" cmp "$file" "$WORK/$(basename "$file")"
done
cp "$(command -v nginx)" "$WORK/grafanaserver"
cat >"$WORK/nginx.conf" <<END
pid $WORK/nginx.pid; error_log $WORK/nginx.log; worker_processes 1;
events { worker_connections 256; }
http { access_log off; server { listen 127.0.0.1:$port; location / { return 200 "hello\n"; } location /bad { return 500; } } }
END
"$WORK/grafanaserver" -c "$WORK/nginx.conf" || exit 1
at_end "kill \$(cat $WORK/nginx.pid)"
start_agent --set "listen=[unix:$SONDE_SOCKET, 127.0.0.1:$web]" --set store.interval=1s
cat >"$WORK/prometheus.yml" <<END
global: {scrape_interval: 2s, scrape_timeout: 2s}
rule_files: [$(realpath "$here/../../deploy/prometheus/sonde.rules.yml")]
scrape_configs: [{job_name: sonde, static_configs: [{targets: ["127.0.0.1:$web"]}]}]
END
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$prometheus" >"$WORK/prometheus.log" 2>&1 &
at_end "kill $!"
# something of everything, for as long as panels are asked; errors and refused connects too
(
	trap 'exit 0' TERM
	while :; do
		ab -q -n 20 -c 2 "http://127.0.0.1:$port/" >/dev/null 2>&1
		curl -s "http://127.0.0.1:$port/bad" >/dev/null
		curl -s "http://127.0.0.1:$closed/" >/dev/null
		dd if=/dev/zero of="$WORK/file" bs=64k count=4 conv=fsync 2>/dev/null
		[ -e "$WORK/enough" ] && exit 0
		sleep 0.3
	done
) &
traffic=$!
at_end "kill $traffic"
scraped() { [ "$(curl -s "http://127.0.0.1:$prometheus/api/v1/query?query=count_over_time(sonde_build_info%5B1m%5D)" | jq -r '.data.result[0].value[1] // 0')" -ge 4 ]; }
check "Prometheus scrapes the agent" wait_for 60 scraped
check "and takes its rules" sh -c "curl -s http://127.0.0.1:$prometheus/api/v1/rules | jq -e '[.data.groups[].rules[]] | length > 25'"
( sleep 15; touch "$WORK/enough" ) &
python3 "$here/grafana_panels.py" "http://127.0.0.1:$prometheus" "http://127.0.0.1:$web" "$here"/../../deploy/grafana/*.json >"$WORK/panels" 2>&1
status=$?
cat "$WORK/panels"
equal "all panels were asked" 0 "$status"
failures=$((failures + $(grep -c '^not ok' "$WORK/panels" || true))) # grep fails where there is none
:
