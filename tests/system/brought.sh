#!/bin/sh
# Items of others over a restart: what the administrator put into items_dir, and what came over the API.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
awk '/^```c$/{on=1; next} /^```$/{on=0} on' "$top/docs/writing-items.md" >"$WORK/opens.bpf.c"
sed 's/opens/closes/g' "$WORK/opens.bpf.c" >"$WORK/closes.bpf.c"
compile=$(grep '^clang ' "$top/docs/writing-items.md" | sed "s|-I src|-I $top/src|; s|x86_64-linux-gnu|$(gcc -print-multiarch)|")
(cd "$WORK" && sh -c "$compile" && sh -c "$(echo "$compile" | sed 's/opens/closes/g')") || exit 1
mkdir "$WORK/items.d" && cp "$WORK/opens.bpf.o" "$WORK/items.d/" && echo junk >"$WORK/items.d/broken.bpf.o" && echo text >"$WORK/items.d/README"
start() { start_agent --set "items_dir=$WORK/items.d" --set items.opens.on=true; }
state() { "$SONDE" items --json | jq -r "select(.name == \"$1\").state"; }

start
equal "items_dir: found, and on as configured" on "$(state opens)"
check "items_dir: a broken file is named" grep -q "broken.bpf.o' is left out" "$WORK/agent.log"
check "items_dir: nothing is said of other files" sh -c "! grep -q README $WORK/agent.log"
check "added over the API" "$SONDE" items add "$WORK/closes.bpf.o"
equal "it is off" off "$(state closes)"
kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null
start
equal "it is there after the agent was killed" off "$(state closes)"
"$SONDE" items on closes
cat "$WORK/opens.bpf.c" >/dev/null
moved() { [ "$(metric sonde_closes_total)" -gt 0 ]; }
check "and counts" wait_for 5 moved
before=$(metric sonde_closes_total)
check "upgraded from its own file" test "$(curl -s -o /dev/null -w '%{http_code}' -X PUT --unix-socket "$SONDE_SOCKET" http://localhost/v1/items/closes)" = 200
check "its counters went on" test "$(metric sonde_closes_total)" -ge "$before"
equal "what is built in has no file" 403 "$(curl -s -o /dev/null -w '%{http_code}' -X PUT --unix-socket "$SONDE_SOCKET" http://localhost/v1/items/cpu)"
cp "$WORK/closes.bpf.o" "$WORK/items.d/later.bpf.o" # has metrics that 'closes' has
check "removed" "$SONDE" items remove closes
check "a new file is found when the configuration is read again" "$SONDE" config reload
equal "a new file: its state" off "$(state later)"
stop_agent
start
equal "removed over a restart too" "" "$(state closes)"
stop_agent

# a state folder that can't be written: said, and everything else serves
chmod 0555 "$WORK/store/items" 2>/dev/null; rm -rf "$WORK/store"; : >"$WORK/store"
start
rm "$WORK/items.d/later.bpf.o"
"$SONDE" items remove later
check "without a state folder it is added all the same" "$SONDE" items add "$WORK/closes.bpf.o"
check "and what that means is said" grep -q "will not be there after a restart" "$WORK/agent.log"
