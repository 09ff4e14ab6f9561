#!/bin/sh
# Items switched, changed and upgraded at random while there is load: nothing leaks, nothing else is lost, counters go on.
# SWITCHES=1000 for the long run.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
switches=${SWITCHES:-150}
seed=${SEED:-$(date +%s)}
echo "# seed $seed, $switches operations"

awk '/^```c$/{on=1; next} /^```$/{on=0} on' "$top/docs/writing-items.md" >"$WORK/opens.bpf.c"
(cd "$WORK" && sh -c "$(grep '^clang ' "$top/docs/writing-items.md" | sed "s|-I src|-I $top/src|; s|x86_64-linux-gnu|$(gcc -print-multiarch)|")")
# tls holds descriptors for what others begin to run meanwhile
start_agent --set items.syscalls.on=false --set items.tls.on=false
"$SONDE" items add "$WORK/opens.bpf.o" && "$SONDE" items on opens
cp /bin/dash "$WORK/opener"
cp "$WORK/opens.bpf.o" "$WORK/steady.bpf.o"
worker=$("$SONDE" status --json | jq .worker.pid)
fds() { ls -l /proc/$worker/fd | grep -c anon_inode; } # programs, maps, links; not the history's files
maps() { "$SONDE" self --json | jq '[.items[].maps | length] | add'; }
programs() { "$SONDE" self --json | jq '[.items[].programs | length] | add'; }

for item in runqlat tcp_life files; do "$SONDE" items on $item; "$SONDE" items off $item; "$SONDE" items on $item; done
# what is made at the first reading (an answer is a second old at most) and at the first search for the dead is there
settle() { sleep 1.2; get /metrics >/dev/null; maps >/dev/null; sleep 2.5; }
settle
fds_before=$(fds) maps_before=$(maps) programs_before=$(programs)

# a program that makes a known number of calls, all the time
"$WORK/opener" -c "i=0; while [ ! -e $WORK/stop ]; do true <$WORK/no-such-file; i=\$((i + 1)); done; echo \$i >$WORK/made" 2>/dev/null &
opener=$!
patch() { curl -s -o /dev/null -w '%{http_code}\n' -X PATCH -H 'Content-Type: application/json' -d "$2" --unix-socket "$SONDE_SOCKET" "http://localhost/v1/items/$1"; }
upgrade() { curl -s -o /dev/null -w '%{http_code}\n' -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" --unix-socket "$SONDE_SOCKET" "http://localhost/v1/items/$1"; }
awk -v n="$switches" -v seed="$seed" 'BEGIN { srand(seed); split("runqlat tcp_life files", item, " ");
	for (i = 0; i < n; i++) { r = int(rand() * 5); it = item[1 + int(rand() * 3)];
		if (r == 0) print "off", it; else if (r == 1) print "on", it; else if (r == 2) print "param runqlat", int(rand() * 100);
		else print "upgrade opens" } }' >"$WORK/operations"
last=0 fell=0
while read -r what item value; do
	case $what in
	on) patch "$item" '{"on":true}' ;;
	off) patch "$item" '{"on":false}' ;;
	param) patch "$item" "{\"params\":{\"min_us\":$value}}" ;;
	upgrade) upgrade opens "$WORK/opens.bpf.o" ;;
	esac >>"$WORK/codes"
done <"$WORK/operations"
equal "every operation succeeded" "$switches" "$(grep -c '^20[0-9]$' "$WORK/codes")"
touch "$WORK/stop"; wait $opener
sleep 0.2
equal "upgrades lost no event and counted none twice" "$(cat "$WORK/made")" "$(metric sonde_opens_total process=opener errno=ENOENT)"
for item in runqlat tcp_life files; do "$SONDE" items on $item; done
settle
# one more or less: for a second of each minute the agent holds one to measure its programs' cost
# and the search for sockets of others (7) is loaded when it is needed first
within "descriptors are as many as before" "$(fds)" $((fds_before - 1)) $((fds_before + 8))
equal "maps are as many as before" "$maps_before" "$(maps)"
equal "programs are as many as before" "$programs_before" "$(programs)"
