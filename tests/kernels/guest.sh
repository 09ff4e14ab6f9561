#!/bin/sh
# guest.sh - runs inside a guest: starts the agent and compares each item's numbers with an independent count.
# $KERNEL names the kernel in the test lines. Slow emulation: limits are generous, counts are exact.
set -u
SONDE=${SONDE:-build/sonde}
W=/tmp/sonde-guest
mkdir -p $W && cd $W || exit 1
export SONDE_SOCKET=$W/sonde.sock
ok() { echo "ok $KERNEL/$*"; }
not_ok() { echo "not ok $KERNEL/$*"; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: wanted '$2', got '$3'"; fi; }
within() { if awk -v x="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(x != "" && x >= a && x <= b) }'; then ok "$1 ($2)"; else not_ok "$1: $2 is not within $3..$4"; fi; }
get() { curl -s --max-time 60 --unix-socket "$SONDE_SOCKET" "http://localhost$1"; }
metric() {
	name=$1; shift
	awk -v name="$name" -v wants="$*" '
		BEGIN { n = split(wants, want, " ") }
		index($0, name "{") == 1 || index($0, name " ") == 1 {
			for (i = 1; i <= n; i++) { split(want[i], kv, "="); if (index($0, kv[1] "=\"" kv[2] "\"") == 0) next }
			sum += $NF
		}
		END { printf "%.10g\n", sum }' metrics
}

mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
"$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$W/store" --set items.syscalls.on=true 2>agent.log &
agent=$!
n=0
until grep -q '^ready' agent.log; do
	n=$((n + 1))
	[ $n -gt 1200 ] && { not_ok "agent: not ready: $(cat agent.log)"; exit 1; }
	kill -0 $agent 2>/dev/null || { not_ok "agent: ended: $(cat agent.log)"; exit 1; }
	sleep 0.1
done
ok "agent is ready"
get /v1/items >items.json
for item in tcp_state tcp_life exec runqlat syscalls cpu mem disk nic files; do
	grep -q "\"name\":\"$item\"" items.json || continue
	if grep -oE "\"name\":\"$item\",\"wing\":\"[a-z]*\",\"state\":\"on\"" items.json >/dev/null; then
		ok "$item runs"
	else
		not_ok "$item runs: $(grep -oE "\"name\":\"$item\",.{0,600}" items.json | grep -oE '"reason":"[^"]*"' | head -n 1)"
	fi
done

# the work whose numbers are known
cp /bin/dd kdd; cp /bin/dash kloop; cp /bin/dash kfiles
./kdd if=/dev/zero of=/dev/null bs=1 count=300 2>/dev/null
./kloop -c 'i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done; cat /proc/self/stat >/dev/null; while read -r a; do :; done </proc/$$/stat; exec 3</proc/$$/stat; read -r line <&3; echo "$line" >loop.stat'
./kfiles -c 'exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null; echo up >files.up; sleep 30' & files=$!
n=0; until [ -s files.up ]; do n=$((n + 1)); [ $n -gt 300 ] && break; sleep 0.1; done
socat TCP-LISTEN:18099,reuseaddr,fork EXEC:/bin/cat 2>/dev/null & server=$!
n=0; until socat -u OPEN:/dev/null TCP:127.0.0.1:18099 2>/dev/null; do n=$((n + 1)); [ $n -gt 100 ] && break; sleep 0.2; done
cp "$(command -v socat)" kclient
for i in 1 2 3 4 5; do printf 'hello %s\n' $i | ./kclient - TCP:127.0.0.1:18099 >/dev/null; done
sleep 3
get /metrics >metrics
get '/v1/records/exec?source=recent&limit=10000' >exec.json
get '/v1/records/tcp_life?source=recent&limit=10000' >life.json

equal "syscalls: reads of dd bs=1 count=300" 1 "$(awk -v n="$(metric sonde_syscall_seconds_count process=kdd syscall=read)" 'BEGIN { print n >= 300 && n <= 312 }')"
equal "syscalls: writes of dd" 1 "$(awk -v n="$(metric sonde_syscall_seconds_count process=kdd syscall=write)" 'BEGIN { print n >= 300 && n <= 312 }')"
equal "exec: each start of kclient is a record" 5 "$(grep -o '"kind":"exec"[^}]*"process":"kclient"' exec.json | wc -l)"
# utime + stime of the loop in ticks, read by itself at its end
ticks=$(awk '{print $14 + $15}' loop.stat 2>/dev/null)
cpu=$(metric sonde_cpu_seconds_total process=kloop)
within "cpu: seconds of a loop against /proc/PID/stat ($ticks ticks)" "$cpu" "$(awk -v t="${ticks:-0}" 'BEGIN { print t / 100 * 0.7 - 0.05 }')" "$(awk -v t="${ticks:-0}" 'BEGIN { print t / 100 * 1.3 + 0.3 }')"
within "runqlat: the loop waited at least once" "$(metric sonde_runqlat_seconds_count process=kloop)" 1 1000000
# faults the kernel counted for a process that lives: field 10 and 12 of its stat
faults=$(awk '{print $10 + $12}' /proc/$files/stat)
within "mem: page faults against /proc/PID/stat" "$(metric sonde_mem_page_faults_total process=kfiles)" "$((faults * 9 / 10))" "$((faults * 11 / 10 + 20))"
rss=$(awk '/^Rss/{print $2 * 1024}' /proc/$files/smaps_rollup)
within "mem: resident bytes against smaps" "$(metric sonde_mem_resident_bytes process=kfiles)" "$((rss * 8 / 10))" "$((rss * 12 / 10))"
equal "files: open descriptors against /proc/PID/fd" "$(ls /proc/$files/fd | wc -l)" "$(metric sonde_files_open process=kfiles)"
if [ -s life.json ] && grep -q tcp_life items.json; then
	equal "tcp_life: connections of kclient" 5 "$(grep -o '"process":"kclient"[^}]*"side":"client"' life.json | wc -l)"
	equal "tcp_life: bytes of each, to the byte" 5 "$(grep -o '"process":"kclient"[^}]*"sent_bytes":8,"received_bytes":8,' life.json | wc -l)"
fi
if grep -q '"name":"tcp_state"' items.json; then
	equal "tcp_state: connections opened by kclient" 5 "$(metric sonde_tcp_opened_total process=kclient direction=outbound)"
	within "tcp_state: listening sockets of socat" "$(metric sonde_tcp_connections state=listen process=socat)" 1 1
fi
"$SONDE" self --json >self.json
sed 's/},/},\n/g' self.json | grep -oE '"name":"[a-z_0-9]+","id":[0-9]+,"instructions":[0-9]+' | sed "s/^/# $KERNEL /" | tr -d '"'
kill $files $server 2>/dev/null
kill -TERM $agent
wait $agent
equal "the agent ends with 0" 0 $?
