#!/bin/sh
# docs/writing-items.md does what it says: its code is taken from the page, built, brought in, used, upgraded.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)

awk '/^```c$/{on=1; next} /^```$/{on=0} on' "$top/docs/writing-items.md" >"$WORK/opens.bpf.c"
build=$(grep '^clang ' "$top/docs/writing-items.md" | sed "s|-I src|-I $top/src|; s|x86_64-linux-gnu|$(gcc -print-multiarch)|")
cd "$WORK" || exit 1
check "the code of the page builds" sh -c "$build"
check "sonde understands it" sh -c "$SONDE items check opens.bpf.o | jq -e '.params[0].name == \"failed_only\"' >/dev/null"
start_agent
check "items add" "$SONDE" items add opens.bpf.o
check "items on with its parameter" "$SONDE" items on opens failed_only=true
cp /bin/dash "$WORK/opener" # a shell that opens nothing else that is not there
fail_n() { "$WORK/opener" -c "i=0; while [ \$i -lt $1 ]; do true <$WORK/no-such-file; i=\$((i + 1)); done" 2>/dev/null; }
fail_n 20
count() { metric sonde_opens_total process=opener errno=ENOENT; }
equal "the metric counts exactly" 20 "$(count)"
(sleep 1; fail_n 5) &
"$SONDE" opens --comm opener --json -d 3 >"$WORK/events"
equal "the command prints each failure" 5 "$(jq -s '[.[] | select(.errno=="ENOENT")] | length' "$WORK/events")"
equal "failed_only leaves out the rest" 0 "$(jq -s '[.[] | select(.errno==null)] | length' "$WORK/events")"
before=$(count)
check "items upgrade" "$SONDE" items upgrade opens opens.bpf.o
equal "the counter goes on" "$before" "$(count)"
head -c 1000 opens.bpf.o >broken.bpf.o; mkdir -p v2; mv broken.bpf.o v2/opens.bpf.o
"$SONDE" items upgrade opens v2/opens.bpf.o 2>"$WORK/err" && not_ok "a broken version is refused" || ok "a broken version is refused"
fail_n 3
equal "the old version serves on" "$((before + 3))" "$(count)"
check "items remove" "$SONDE" items remove opens
equal "its metrics are gone" 0 "$(count)"
