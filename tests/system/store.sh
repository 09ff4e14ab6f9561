#!/bin/sh
# The history: what was there before a kill -9 is there afterwards; it keeps to its size; trouble with the disk stops nothing.
. "$(dirname "$0")/lib.sh"

cp /bin/dash "$WORK/marker"
# mark N NAME: N processes called NAME.
mark() { cp "$WORK/marker" "$WORK/$2"; i=0; while [ $i -lt "$1" ]; do "$WORK/$2" -c :; i=$((i + 1)); done; }
url() { jq -rn --arg x "$1" '$x | @uri'; }
# past ITEM FILTER [MORE]: how many records of the history match.
past() { get "/v1/records/$1?source=recent&limit=10000&filter=$(url "$2")${3:-}" | jq '.records | length'; }
store() { get /v1/status | jq -r ".store$1"; }
flows() { get /v1/status | jq -e '.store | [.records, .samples] | all(.offered == .accepted + .refused and .accepted == .delivered + .queued + .expired)'; }
is_settled() { get /v1/status | jq -e '.store.records | .offered > 0 and .queued == 0'; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$WORK/nginx.conf" <<END
pid $WORK/nginx.pid; error_log $WORK/nginx.log; worker_processes 1;
events { worker_connections 256; }
http { access_log off; server { listen 127.0.0.1:$port; location / { return 200 "hello\n"; } } }
END
nginx -c "$WORK/nginx.conf" || exit 1
at_end "kill \$(cat $WORK/nginx.pid)"
visit() { i=0; while [ $i -lt "$1" ]; do curl -s "http://127.0.0.1:$port/" >/dev/null; i=$((i + 1)); done; }

start_agent --set store.interval=1s
check "the folder is the worker's alone" test "$(stat -c '%a %u' "$WORK/store")" = "700 $(awk '/^Uid/{print $2}' "/proc/$(get /v1/status | jq .worker.pid)/status")"
mark 60 before
visit 30
settled_marks() { [ "$(past exec 'process = before and kind = exec')" = 60 ]; }
check "records are there at once" wait_for 10 settled_marks
visited() { [ "$(past tcp_life "local_port = $port")" -ge 30 ]; }
check "connections too" wait_for 10 visited
equal "each is there once" 60 "$(get "/v1/records/exec?source=recent&limit=10000&filter=$(url 'process = before and kind = exec')" | jq '[.records[].pid] | unique | length')"
check "numbers add up" flows
connections=$(past tcp_life "local_port = $port")
sleep 3 # two samples at least
first=$(date +%s)
# what the catalogue keeps: a view, and what was set when
ask() { curl -s --unix-socket "$SONDE_SOCKET" -X "$1" -H 'Content-Type: application/json' --data-binary "${3:-}" "http://localhost$2"; }
ask PUT /v1/views/mine '{"address":"#/map?range=3600s"}' >"$WORK/page"
equal "a view is kept" '{"name":"mine","address":"#/map?range=3600s"}' "$(jq -c '.views[0] | {name, address}' "$WORK/page")"
equal "an address of elsewhere is refused" "'address' is no address of the page" "$(ask PUT /v1/views/other '{"address":"javascript:alert(1)"}' | jq -r .error)"
equal "a view that is not there can't be forgotten" "there is no view 'none'" "$(ask DELETE /v1/views/none | jq -r .error)"
"$SONDE" items on syscalls min_us=7 >"$WORK/out"
changed() { [ "$("$SONDE" config history --json | jq -c '[.changes[] | select(.by == "request") | [.key, .was, .is]] | sort')" = '[["items.syscalls.min_us",null,"7"],["items.syscalls.on","false","true"]]' ]; }
check "what was set is told, with what it was" wait_for 10 changed
# the last second may be lost, what was before may not
mark 20 last
kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null; agent_pid=

start_agent --set store.interval=1s
equal "the view is there after it" "#/map?range=3600s" "$(get /v1/views | jq -r '.views[] | select(.name == "mine").address')"
back() { "$SONDE" config history --json | jq -e '.changes[] | select(.by == "start" and .key == "items.syscalls.on" and .was == "true" and .is == "false")'; }
check "an item that is off after a start is told of" wait_for 10 back
equal "after kill -9 all is there" 60 "$(past exec 'process = before and kind = exec')"
equal "connections too" "$connections" "$(past tcp_life "local_port = $port" "&to=$first.9")"
within "of the last second, some" "$(past exec 'process = last and kind = exec')" 0 20
mark 5 after
after_marks() { [ "$(past exec 'process = after and kind = exec')" = 5 ]; }
check "and it goes on" wait_for 10 after_marks
one_series() { [ "$(get "/api/v1/query?query=$(url 'count(count_over_time(sonde_build_info[5m]) > 2)')" | jq -r '.data.result[0].value[1]')" = 1 ]; }
check "samples of both lives are one series" wait_for 10 one_series
check "samples of the first life are there" sh -c "[ \$($SONDE query 'max(sonde_build_info)' --to $((first - 1)) --json | jq -r '.value[1]') = 1 ]"
both() { [ "$(get "/api/v1/query_range?query=sonde_build_info&start=$((first - 3))&end=$(($(date +%s) + 1))&step=1" | jq '.data.result[0].values | length')" -ge 4 ]; }
check "and go on" wait_for 10 both

# pages: behind each other they are the whole, in either order
for order in asc desc; do
	cursor= pages=0; : >"$WORK/pages"
	while :; do
		get "/v1/records/exec?source=recent&order=$order&limit=7&to=$first.9&filter=$(url 'process = before')$cursor" >"$WORK/page"
		jq -c '.records[] | [.time, .pid, .kind]' "$WORK/page" >>"$WORK/pages"
		next=$(jq -r '.next // empty' "$WORK/page")
		pages=$((pages + 1))
		[ -n "$next" ] && [ $pages -lt 200 ] || break
		cursor="&cursor=$next"
	done
	whole=$(past exec 'process = before' "&to=$first.9")
	equal "pages are the whole ($order)" "$whole" "$(sort -u "$WORK/pages" | wc -l)"
	equal "nothing is there twice ($order)" "$whole" "$(wc -l <"$WORK/pages")"
done
check "newest first" sh -c "jq -s 'map(.[0]) | . == (sort | reverse)' '$WORK/pages' | grep -qx true"
half=$(get "/v1/records/exec?source=recent&limit=10000&to=$first.9&filter=$(url 'process = before')" | jq -r '.records | .[length / 2 | floor].time')
equal "a time cuts it in two" "$whole" "$(($(past exec 'process = before' "&from=$half&to=$first.9") + $(past exec 'process = before' "&to=$half")))"
equal "a regular expression" "$(past exec 'process = before or process = after' "&to=$first.9")" "$(past exec 'process ~ "^(before|after)$"' "&to=$first.9")"
equal "the command line asks too" 5 "$("$SONDE" query exec 'process = after and kind = exec' --json | wc -l)"
check "the horizon is said" sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/v1/status | jq -e '.store.tables[] | select(.name == \"exec\") | .from and .to and .rows > 0'"
get "/v1/records/exec?cursor=nonsense" >"$WORK/page"; check "a wrong cursor is refused" grep -q "not one of ours" "$WORK/page"
check "the metric says what was stored" test "$(metric sonde_item_events_total item=exec stage=stored)" -gt 0
check "ends well" stop_agent

# a damaged file: the rest is still there
newest=$(ls -S "$WORK"/store/journal-*.log "$WORK"/store/*.seg 2>/dev/null | head -n 1)
dd if=/dev/urandom of="$newest" bs=1 seek=$(($(stat -c %s "$newest") / 2)) count=64 conv=notrunc 2>/dev/null
head -c 3000 /dev/urandom | dd of="$WORK/store/catalogue.db" conv=notrunc 2>/dev/null
start_agent
mark 3 healed
healed_marks() { [ "$(past exec 'process = healed and kind = exec')" = 3 ]; }
check "a damaged file and catalogue are no obstacle" wait_for 10 healed_marks
in_5s() { get "/api/v1/query?query=$(url "max(count_over_time($1[5s]))")" | jq -r '.data.result[0].value[1] // 0'; }
every_second() { [ "$(in_5s 'sonde_mem_host_bytes{kind="total"}')" -ge 3 ]; }
check "by default metrics of the machine come every second" wait_for 30 every_second
within "and those of processes more rarely" "$(in_5s 'sonde_mem_resident_bytes{process="sonde"}')" 0 1
stop_agent

# its size is kept (a minute of writing: STORE=short leaves it to the unit tests of store/)
if [ "${STORE:-whole}" = whole ]; then
rm -rf "$WORK/store"
start_agent --set store.size=1MiB --set store.interval=1s
mark 2 oldest
known() { get /v1/status | jq -e '.store.tables | map(select(.name == "exec" and .from)) | length > 0'; }
check "the table is known" wait_for 10 known
from=$(get /v1/status | jq -r '.store.tables[] | select(.name == "exec").from')
moved() { mark 300 "storm$(date +%N)"; [ "$(get /v1/status | jq -r '.store.tables[] | select(.name == "exec").from')" \> "$from" ]; }
check "the oldest gives way" wait_for 90 moved
# it may have come behind what others on this machine did at the beginning
gone() { mark 300 "storm$(date +%N)"; [ "$(past exec 'process = oldest')" = 0 ]; }
check "what is oldest is gone" wait_for 90 gone
# beside it stand the catalogue and the journal that is being written
within "the history keeps to its size, bytes" "$(du -sb "$WORK/store" | cut -f1)" 1000 4000000
check "numbers add up" flows
stop_agent

fi

# no room on the disk
mkdir "$WORK/full"
if mount -t tmpfs -o size=600k tmpfs "$WORK/full" 2>/dev/null; then
	at_end "umount $WORK/full"
	mkdir "$WORK/full/store"; chown 65534:65534 "$WORK/full/store"
	start_agent --set "store.path=$WORK/full/store" --set store.interval=1s
	says_so() { mark 100 filler; get /v1/status | jq -e '.store.trouble'; }
	check "a full disk is said" wait_for 60 says_so
	mark 4 onwards
	onwards() { [ "$(past exec 'process = onwards and kind = exec')" = 4 ]; }
	check "and observing goes on" wait_for 10 onwards
	check "metrics too" sh -c "[ \$(curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | grep -c ^sonde_) -gt 10 ]"
	within "it is said once, lines" "$(grep -c 'history:' "$WORK/agent.log")" 1 5
	stop_agent
fi

# a folder that the worker may not write
mkdir "$WORK/closed"; : >"$WORK/closed/file"; chmod 755 "$WORK/closed"
start_agent --set "store.path=$WORK/closed"
mark 3 shut
closed_marks() { [ "$(past exec 'process = shut and kind = exec')" = 3 ]; }
check "a closed folder: records are in memory" wait_for 10 closed_marks
check "and it is said" sh -c "$SONDE status | grep -q '$WORK/closed'"
stop_agent

# another agent has it
start_agent
second=$WORK/second.sock
"$SONDE" run --set "listen=[unix:$second]" --set "store.path=$WORK/store" 2>"$WORK/second" &
second_pid=$!
is_second() { grep -q '^ready' "$WORK/second"; }
check "a second agent starts" wait_for 20 is_second
told() { grep -q "another process uses the store" "$WORK/second"; }
check "and says that there is no history" wait_for 30 told
mark 3 twice
twice() { [ "$(curl -s --unix-socket "$second" "http://localhost/v1/records/exec?source=recent&filter=$(url 'process = twice and kind = exec')" | jq '.records | length')" = 3 ]; }
check "it keeps the last records in memory" wait_for 10 twice
kill "$second_pid"; wait "$second_pid"
stop_agent

# off
start_agent --set store.on=false
equal "switched off" off "$(store .mode)"
check "PromQL says so" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/api/v1/query?query=1' | grep -q 'keeps no history'"
