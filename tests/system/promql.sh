#!/bin/sh
# PromQL: the agent and Debian's Prometheus have the same samples, and answer the same questions with the same doubles.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

command -v prometheus >/dev/null && command -v promtool >/dev/null || { echo "not ok prometheus is not installed"; exit 1; }
load=
for build in "$(dirname "$SONDE")" "$top/build-test" "$top/build"; do
	[ -x "$build/src/query/load_samples" ] && load=$build/src/query/load_samples && break
	[ -f "$build/build.ninja" ] && ninja -C "$build" src/query/load_samples >/dev/null 2>&1 && load=$build/src/query/load_samples && break
done
[ -n "$load" ] || { echo "not ok load_samples could not be built"; exit 1; }

# past, so that nothing is added while both are asked; the end of a block of Prometheus'
end=$(($(date +%s) / 7200 * 7200 - 7200))
SEED=${SEED:-$(date +%N | sed 's/^0*//')}
echo "seed $SEED (set SEED to repeat), end $end"
python3 "$here/promql_samples.py" "$SEED" "$end" >"$WORK/samples.txt"
check "Prometheus takes the samples" sh -c "promtool tsdb create-blocks-from openmetrics '$WORK/samples.txt' '$WORK/tsdb' >'$WORK/promtool' 2>&1 || { tail -n 3 '$WORK/promtool'; exit 1; }"
check "the store takes the samples" "$load" "$WORK/store" "$WORK/samples.txt"
# loaded by root, read by the worker
chown -R "$(awk -F: '$1=="sonde"{u=$3":"$4} END{print u ? u : "65534:65534"}' /etc/passwd)" "$WORK/store"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) api=$(free_port)
printf 'global: {}\n' >"$WORK/prometheus.yml"
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --storage.tsdb.retention.time=10y \
	--web.listen-address="127.0.0.1:$port" --log.level=error >"$WORK/prometheus.log" 2>&1 &
prometheus_pid=$!
at_end "kill $prometheus_pid; wait $prometheus_pid"
is_up() { curl -sf "http://127.0.0.1:$port/-/ready"; }
wait_for 30 is_up || { echo "not ok prometheus did not start:"; tail -n 5 "$WORK/prometheus.log"; exit 1; }
start_agent --set "listen=[unix:$SONDE_SOCKET, 127.0.0.1:$api]" --set store.keep.samples=0s --set store.interval=5m
python3 "$here/promql_random.py" "$SEED" "${PROMQL_RANDOM:-60}" >"$WORK/random.txt"
cat "$here/promql_queries.txt" "$WORK/random.txt" >"$WORK/queries.txt"
python3 "$here/promql_compare.py" "http://127.0.0.1:$port" "http://127.0.0.1:$api" "$WORK/queries.txt" "$end" >"$WORK/compared"
status=$?
# a line for each of a thousand questions is too much to read: those that differ, and how many don't
grep '^not ok' "$WORK/compared"
asked=$(grep -c '^ok' "$WORK/compared")
within "questions answered like Prometheus" "$asked" 800 100000
equal "all of them" 0 $status

# what a scrape saw is what the history has
equal "Grafana finds a version it can speak with" 2.42.0 "$(curl -s "http://127.0.0.1:$api/api/v1/status/buildinfo" | jq -r .data.version)"
check "metadata has type and help" sh -c "curl -s 'http://127.0.0.1:$api/api/v1/metadata?metric=sonde_build_info' | jq -e '.data.sonde_build_info[0].type == \"gauge\"'"
equal "the command line asks too" 2 "$("$SONDE" query 'count(steady) + 1' --to "$end" --json | jq -r '.value[1]')"
"$SONDE" query 'sum(' 2>"$WORK/err"; equal "a mistake is wrong usage" 2 $?
check "and its place is said" grep -q '1:5: parse error' "$WORK/err"
