#!/bin/sh
# Every stage counts what went in and out: kernel, ring and records agree, also when a ring is far too small.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)

awk '/^```c$/{on=1; next} /^```$/{on=0} on' "$top/docs/writing-items.md" >"$WORK/opens.bpf.c"
(cd "$WORK" && sh -c "$(grep '^clang ' "$top/docs/writing-items.md" | sed "s|-I src|-I $top/src|; s|x86_64-linux-gnu|$(gcc -print-multiarch)|")")
start_agent
"$SONDE" items add "$WORK/opens.bpf.o"
"$SONDE" items on opens failed_only=true ring=4KiB
cp /bin/dash "$WORK/opener"
calls=200000
# both CPUs at once on one key: the sum is exact or counters are not atomic
for half in 1 2; do
	"$WORK/opener" -c "i=0; while [ \$i -lt $((calls / 2)) ]; do true <$WORK/no-such-file; i=\$((i + 1)); done" 2>/dev/null &
	openers="${openers:-} $!"
done
# shellcheck disable=SC2086
wait $openers
sleep 0.5
equal "all CPUs on one key: the sum is exact" "$calls" "$(metric sonde_opens_total process=opener errno=ENOENT)"
"$SONDE" items --json | jq -c 'select(.name=="opens").events' >"$WORK/events"
jq -c . "$WORK/events"
"$SONDE" items off opens
"$SONDE" items --json | jq -c 'select(.name=="opens").events' >"$WORK/events"
field() { jq -r ".$1" "$WORK/events"; }
check "the ring was too small: events were lost, and counted" test "$(field lost)" -gt 0
check "kernel: every call was sent or lost" test "$(($(field emitted) + $(field lost)))" -ge "$calls"
equal "ring: everything sent was read" "$(field emitted)" "$(field read)"
equal "records: read = published + unwanted + dropped + bad" "$(field read)" "$(($(field published) + $(field unwanted) + $(field dropped) + $(field bad)))"
equal "the metric says the same loss" "$(field lost)" "$(get /metrics | awk '/^sonde_item_events_total\{item="opens"/ && /stage="lost"/ { sum += $NF } END { printf "%d", sum }')"
check "status tells of the loss" sh -c "$SONDE status | grep -q 'opens'"

# A map for three processes, and twenty: what finds it full is counted together, so the sum is exact.
sed 's/16384/4/; s/if (!filter_current())/if (args->result != -36)/' "$WORK/opens.bpf.c" >"$WORK/crowd.bpf.c"
(cd "$WORK" && sh -c "$(grep '^clang ' "$top/docs/writing-items.md" | sed "s|-I src|-I $top/src|; s|x86_64-linux-gnu|$(gcc -print-multiarch)|; s|opens|crowd|g")")
"$SONDE" items remove opens # its metrics have the same names
"$SONDE" items add "$WORK/crowd.bpf.o" && "$SONDE" items on crowd
long=$(printf '%05000d' 0)
openers=
for process in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	"$WORK/opener" -c "i=0; while [ \$i -lt 50 ]; do true <$long; i=\$((i + 1)); done; exec sleep 1" 2>/dev/null &
	openers="$openers $!"
done
counted() { [ "$(metric sonde_opens_total errno=ENAMETOOLONG)" -gt 0 ] && [ "$(metric sonde_opens_total)" = 1000 ]; }
wait_for 10 counted
equal "a full map: the sum is exact" 1000 "$(metric sonde_opens_total)"
check "a full map: there is a series for the rest" test "$(metric sonde_opens_total overflow=true)" -gt 0
# shellcheck disable=SC2086
wait $openers
sleep 1; "$SONDE" items off crowd; "$SONDE" items on crowd
equal "a full map: the sum is exact when its processes are gone and the item was off" 1000 "$(metric sonde_opens_total)"
equal "a full map: nothing was lost" 0 "$("$SONDE" items --json | jq 'select(.name=="crowd") | .events.lost_by_reason.map_full // 0')"
