#!/bin/sh
# The public names, each asked of the running program: commands and options, exit codes, keys of JSON, metrics, paths of the API, keys of
# the configuration and variables. Other people's scripts, dashboards and tests rest on them.
. "$(dirname "$0")/lib.sh"

# ---- the command line
"$SONDE" --help >"$WORK/help"
commands="run status items top trace accel query self config caps features version requests"
missing=
for name in $commands tcp_state tcp_life exec runqlat syscalls cpu mem disk nic files; do
	grep -q "^  $name " "$WORK/help" || missing="$missing $name"
	"$SONDE" "$name" --help >"$WORK/out" 2>&1 </dev/null && grep -qi usage "$WORK/out" || missing="$missing $name--help"
done
equal "every command and first item is in --help, and has one of its own" "" "$missing"
missing=
"$SONDE" runqlat --help >"$WORK/out"
for option in -p --pid --comm --uid --container --pod --namespace --cgroup --port --where -d --duration -i --interval -n --rows --sort --columns --by --json --min-us; do
	grep -qwe "$option" "$WORK/out" || missing="$missing $option"
done
"$SONDE" requests --help >"$WORK/out"
for option in --follow --slow --errors --path; do grep -qwe "$option" "$WORK/out" || missing="$missing $option"; done
equal "--help names the filters" "" "$missing"
# every word that is a command can't be an item's name
taken=
for name in $(awk '/^commands:/{ on = 1; next } /^$/{ on = 0 } on { print $1 }' "$WORK/help"); do
	echo junk >"$WORK/$name.bpf.o"
	"$SONDE" items check "$WORK/$name.bpf.o" >"$WORK/out" 2>&1
	grep -q "is a command" "$WORK/out" || taken="$taken $name"
done
equal "names of commands can't be taken by items" "" "$taken"
status() { "$@" >/dev/null 2>&1 </dev/null; echo $?; }
equal "exit: 0 for what is done" 0 "$(status "$SONDE" version)"
equal "exit: 0 for what -d ends" 0 "$(status env -u SONDE_SOCKET "$SONDE" exec -d 0.2)"
equal "exit: 1 for what failed" 1 "$(status "$SONDE" status)"
equal "exit: 2 for an unknown command" 2 "$(status "$SONDE" frob)"
equal "exit: 2 for an unknown option" 2 "$(status "$SONDE" status --frob)"
equal "exit: 2 for an unknown parameter" 2 "$(status env -u SONDE_SOCKET "$SONDE" runqlat --frob 1 -d 0.2)"
equal "exit: 2 for a wrong key" 2 "$(status "$SONDE" run --set frob=1)"
equal "exit: 2 for a wrong key of an item" 2 "$(status "$SONDE" run --set "listen=[unix:$WORK/x]" --set items.runqlat.frob=1)"
equal "exit: 3 without privilege" 3 "$(status env -u SONDE_SOCKET setpriv --reuid=65534 --regid=65534 --clear-groups "$SONDE" runqlat -d 1)"

# ---- the agent
printf 'listen: [unix:%s, 127.0.0.1:18476]\ntoken_file: %s/token\nlimits: {memory: 64MiB}\nkubernetes: {api: off}\nitems:
  requests: {on: true, head_bytes: 1KiB, unix: false, ring: 4MiB, where: "not port in (22)"}\n  tcp_state: {on: true, by: process}
  accel: {on: false, policy: [{select: "namespace = shop", pod_to_pod: false}]}\n  runqlat: {hook.SWITCH: tp_btf/sched_switch, pin: false, cap: 500}
store: {path: %s/store, size: 1GiB}\noutlets:\n  prometheus: {by: process}\n' "$SONDE_SOCKET" "$WORK" "$WORK" >"$WORK/sonde.yaml"
cp "$WORK/sonde.yaml" "$WORK/hook.yaml"
hook=$("$SONDE" runqlat --help | awk '/^hooks/{ on = 1; next } on && /tp_btf\/sched_switch/{ print $1; exit }')
sed -i "s/hook.SWITCH/hook.$hook/" "$WORK/sonde.yaml"
check "config check takes every key of the example" "$SONDE" config check "$WORK/sonde.yaml"
SONDE_STORE_INTERVAL=3s SONDE_ITEMS_TCP_LIFE_BY=container "$SONDE" run -c "$WORK/sonde.yaml" 2>"$WORK/agent.log" & agent_pid=$!
wait_for 60 is_ready || { not_ok "an agent with the whole example: $(cat "$WORK/agent.log")"; exit 1; }
equal "no item is skipped by the example" "[]" "$("$SONDE" status --json | jq -c .skipped)"
check "ready tells of the addresses" grep -q "^ready unix:$SONDE_SOCKET http://127.0.0.1:18476/" "$WORK/agent.log"

has_keys() { # NAME KEYS: of the object on stdin
	name=$1; shift
	equal "$name" "all" "$(jq -r --arg keys "$*" '. as $o | ($keys | split(" ") - [$o | paths | map(strings) | join(".")] - ($o | keys)) | join(" ") | if . == "" then "all" else "without " + . end')"
}
"$SONDE" status --json | has_keys "status: keys" version node uptime_ns ready items.on items.off items.skipped losses memory.resident_bytes memory.limit_bytes store outlets.prometheus.by broker.cpu_seconds worker.resident_bytes
sampled() { "$SONDE" items show runqlat --json | jq -e '.events_per_second > 0'; }
check "items: rates and costs are measured soon" wait_for 30 sampled
"$SONDE" items --json | jq -c 'select(.name == "runqlat")' | has_keys "items: keys" name on state wing help hooks events_per_second ns_per_event cpu_share lost settings
equal "items: the reason is said why other hooks were not taken" true "$("$SONDE" items show runqlat --json | jq 'has("hooks") and (.hooks | length > 0)')"
equal "items: all that is listed has wing and help" "" "$("$SONDE" items --json | jq -r 'select((.wing | length) == 0 or (.help | length) == 0) | .name')"
equal "items on: parameters take effect" 77 "$("$SONDE" items on runqlat min_us=77 && "$SONDE" items show runqlat --json | jq .settings.min_us)"
"$SONDE" self --json | has_keys "self: keys" broker worker items tables
"$SONDE" caps --json | jq -c '.items[0]' | has_keys "caps: keys" item capabilities
"$SONDE" features --json | jq -c '.features[0]' | has_keys "features: keys" name there
"$SONDE" version --json | has_keys "version: keys" sonde kernel

# ---- configuration as it is in force
"$SONDE" config show --json >"$WORK/config"
equal "config: a value of the file has its place" "$WORK/sonde.yaml" "$(jq -r '.keys[] | select(.key == "store.path") | .place' "$WORK/config" | cut -d: -f1)"
for key in listen token_file limits.memory kubernetes.api items.requests.head_bytes items.tcp_state.by store.path store.size outlets.prometheus.by; do
	jq -e --arg key $key '.keys[] | select(.key == $key)' "$WORK/config" >/dev/null || not_ok "config: key $key"
done

equal "config: a value of the environment has its name" SONDE_STORE_INTERVAL "$(jq -r '.keys[] | select(.key == "store.interval") | .place' "$WORK/config")"
equal "config: a variable of an item" '"container"' "$(get /v1/items/tcp_life | jq -c .settings.by)"

# ---- the API
code() { curl -s -o "$WORK/body" -w '%{http_code}' --max-time 20 --unix-socket "$SONDE_SOCKET" "$@"; }
wrong=
for path in /healthz /readyz /metrics / /v1/status /v1/items /v1/items/runqlat '/v1/records/exec?from=now-5m&to=now&filter=uid%3D0&by=process&limit=5' /v1/map /v1/config /v1/openapi.json '/api/v1/query?query=1'; do
	[ "$(code "http://localhost$path")" = 200 ] || wrong="$wrong $path"
done
equal "GET: every path answers" "" "$wrong"
equal "lists are objects" "true true" "$(get /v1/items | jq 'has("items")') $(get '/v1/records/exec?limit=1' | jq 'has("records")')"
equal "errors have a sentence and a hint" '["error","hint"]' "$(get /v1/items/frob | jq -c keys)"
equal "404 for what is not there" 404 "$(code http://localhost/v1/items/frob)"
equal "400 for a time that is none" 400 "$(code 'http://localhost/v1/records/exec?from=frob')"
equal "PATCH switches off" 'false' "$(code -X PATCH -d '{"on":false}' http://localhost/v1/items/runqlat >/dev/null; jq .on "$WORK/body")"
equal "PATCH switches on, with parameters" 'true 5' "$(code -X PATCH -d '{"on":true,"params":{"min_us":5}}' http://localhost/v1/items/runqlat >/dev/null; jq -r '"\(.on) \(.settings.min_us)"' "$WORK/body")"
tcp() { curl -s -o "$WORK/body" -w '%{http_code}' --max-time 20 "$@"; }
equal "loopback may read" 200 "$(tcp http://127.0.0.1:18476/v1/items)"
equal "loopback may not change without the token" 401 "$(tcp -X PATCH -d '{"on":true}' http://127.0.0.1:18476/v1/items/runqlat)"
equal "loopback changes with the token" 200 "$(tcp -X PATCH -H "Authorization: Bearer $(cat "$WORK/token")" -d '{"on":true}' http://127.0.0.1:18476/v1/items/runqlat)"
check "POST /v1/trace streams" sh -c "curl -sN --max-time 60 --unix-socket $SONDE_SOCKET -d '{\"program\":\"BEGIN { printf(\\\"hello\\\\n\\\"); exit(); }\",\"limits\":{\"duration\":\"20s\"}}' http://localhost/v1/trace | grep -q hello"

# ---- records
cp /bin/dash "$WORK/whoami"
: >"$WORK/record"
"$SONDE" exec --json -d 60 -n 1 --comm whoami >>"$WORK/record" 2>"$WORK/errors" & watcher=$!
until [ -s "$WORK/record" ] || ! kill -0 $watcher; do "$WORK/whoami" -c :; sleep 0.1; done
kill $watcher 2>/dev/null; wait $watcher
head -n 1 "$WORK/record" | has_keys "records: who" time item kind node pid process exe uid cgroup
check "records: time is RFC 3339 in UTC with nanoseconds" sh -c "jq -r .time $WORK/record | head -n 1 | grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z$'"
equal "records: nothing is empty, 0 or unknown" "" "$(jq -r 'to_entries[] | select(.value == "" or .value == null or .value == "unknown") | .key' "$WORK/record")"
: >"$WORK/record"
"$SONDE" tcp_life --json -d 60 -n 1 --port 18476 >>"$WORK/record" 2>"$WORK/errors" & watcher=$!
until [ -s "$WORK/record" ] || ! kill -0 $watcher; do tcp http://127.0.0.1:18476/healthz >/dev/null; sleep 0.1; done
kill $watcher 2>/dev/null; wait $watcher
head -n 1 "$WORK/record" | has_keys "records: connection" connection local_addr local_port remote_addr remote_port transport side opened closed duration_ns sent_bytes received_bytes close_reason
equal "records: a connection is a decimal string" string "$(head -n 1 "$WORK/record" | jq -r '.connection | type')"

# ---- metrics
python3 -c 'import signal, socket; held = socket.create_connection(("127.0.0.1", 18476)); signal.pause()' & holder=$!
at_end "kill $holder"
has_established() { get /metrics >"$WORK/metrics"; grep -q 'sonde_tcp_connections{.*state="established"' "$WORK/metrics"; }
wait_for 20 has_established
has_series() { # NAME WITH LABELS...
	grep -E "^$1\{" "$WORK/metrics" >"$WORK/series" || { not_ok "metric $1"; return; }
	named=$1; shift
	for label in "$@"; do grep -q "[{,]$label=\"" "$WORK/series" || { not_ok "metric $named: no label $label in $(head -n 1 "$WORK/series")"; return; }; done
	ok "metric $named $*"
}
has_series sonde_tcp_connections state direction
check "tcp states are in lower case" grep -q 'sonde_tcp_connections{.*state="established"' "$WORK/metrics"
has_series sonde_tcp_opened_total direction
has_series sonde_tcp_closed_total direction
has_series sonde_item_events_total item stage
for stage in seen filtered emitted lost read parsed bad dropped; do
	grep -q "^sonde_item_events_total{.*stage=\"$stage\"" "$WORK/metrics" || not_ok "stage $stage of sonde_item_events_total"
done
has_series sonde_item_on item
has_series sonde_item_program_seconds_total item program
has_series sonde_build_info version
has_series sonde_process_cpu_seconds_total process
check "both processes" test "$(grep -cE '^sonde_process_cpu_seconds_total\{process="(broker|worker)"' "$WORK/metrics")" = 2
has_series sonde_memory_bytes room
has_series sonde_table_entries table
has_series sonde_table_limit table
has_series sonde_runqlat_seconds_bucket le
check "runqlat's histogram has UNIT" grep -q '^# UNIT sonde_runqlat_seconds seconds' "$WORK/metrics"
curl -s --unix-socket "$SONDE_SOCKET" -H 'Accept: application/openmetrics-text' http://localhost/metrics | tail -n 1 >"$WORK/end"
equal "OpenMetrics when it is asked for" "# EOF" "$(cat "$WORK/end")"

# ---- reload: what changed is in force, what was taken out is at its default, a mistake changes nothing
setting() { get "/v1/items/$1" | jq -c ".settings.$2"; }
sed -i "s/cap: 500/min_us: 41, where: \"process = dash\"/; s/prometheus: {by: process}/prometheus: {by: container}/" "$WORK/sonde.yaml"
check "reload" "$SONDE" config reload
equal "reload: a parameter" 41 "$(setting runqlat min_us)"
get /metrics >"$WORK/metrics"
equal "outlets.prometheus.by: no processes" 0 "$(grep -cE '^sonde_tcp_[a-z_]*\{.*process="' "$WORK/metrics")"
check "outlets.prometheus.by: the sums are there" grep -q '^sonde_tcp_opened_total{.*direction="' "$WORK/metrics"
sed 's/min_us: 41, where: "process = dash"/frob: 1, where: "process = bash"/' "$WORK/sonde.yaml" >"$WORK/wrong.yaml"
cp "$WORK/sonde.yaml" "$WORK/right.yaml"; cp "$WORK/wrong.yaml" "$WORK/sonde.yaml"
"$SONDE" config reload >"$WORK/out" 2>&1; equal "reload of a mistake: refused" 2 $?
check "reload of a mistake: the line is said" grep -q "sonde.yaml:[0-9]*.*frob" "$WORK/out"
equal "reload of a mistake: nothing changed" '"process = dash"' "$(setting runqlat where)"
sed 's/min_us: 41, where: "process = dash"/by: process/' "$WORK/right.yaml" >"$WORK/sonde.yaml"
kill -HUP $agent_pid
gone() { [ "$(setting runqlat where)" = null ] && [ "$(setting runqlat min_us)" = 0 ]; }
check "SIGHUP: what was taken out is at its default" wait_for 20 gone
