#!/bin/sh
# guest.sh - runs inside a guest: starts the agent and compares each item's numbers with an independent count.
# $KERNEL names the kernel in the test lines. Slow emulation: limits are generous, counts are exact.
set -u
SONDE=${SONDE:-build/sonde}
# $WORK: the program of tests/items/work.c, $OPERATE: that of operate.c, $TESTS: the folder tests
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
folder=$W table=$TESTS/items/catalogue.txt hierarchy=/sys/fs/cgroup operate=$OPERATE failures=0
. "$TESTS/items/catalogue.sh"
# shellcheck disable=SC2046
"$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$W/store" --set items.syscalls.on=true ${CATALOGUE:+$(catalogue_settings)} 2>agent.log &
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
for item in tcp_state tcp_life exec runqlat syscalls cpu mem disk nic files requests; do
	grep -q "\"name\":\"$item\"" items.json || continue
	if grep -oE "\"name\":\"$item\",\"wing\":\"[a-z]*\",\"state\":\"on\"" items.json >/dev/null; then
		ok "$item runs"
	else
		not_ok "$item runs: $(grep -oE "\"name\":\"$item\",.{0,600}" items.json | grep -oE '"reason":"[^"]*"' | head -n 1)"
	fi
done

# work whose amount is known otherwise (tests/items/work.c), each under a name of its own
worker() { cp "$WORK" "$1"; }
truth() { awk -v name="$2" '$1 == name { print $2; exit }' "$1.truth"; }
calc() { awk "BEGIN { printf \"%.10g\", $1 }"; }
near() { within "$1, wanted $2" "$3" "$(calc "$2 - ($2) * $4 / 100 - $5")" "$(calc "$2 + ($2) * $4 / 100 + $5")"; }
until_there() { n=0; until [ -s "$1" ]; do n=$((n + 1)); [ $n -gt 300 ] && break; sleep 0.1; done; }

for name in kcalls kuse kburn kstarts kdisk kfiles; do worker $name; done
./kcalls calls 1000 >kcalls.truth
./kuse use 24 >kuse.truth
./kburn burn 2 4 >kburn.truth
./kstarts starts 20 >kstarts.truth
modprobe loop 2>/dev/null
truncate -s 8M disk.image
device=$(losetup -f --show disk.image 2>/dev/null || { losetup -f >loop.name && losetup "$(cat loop.name)" disk.image && cat loop.name; })
disk=$(basename "${device:-none}")
stat_of() { awk -v name="$disk" -v field="$1" '$3 == name { print $(field + 3) }' /proc/diskstats; }
reads=$(stat_of 1) writes=$(stat_of 5)
./kdisk direct "$device" 40 4096 | cat >kdisk.truth
reads=$(($(stat_of 1) - reads)) writes=$(($(stat_of 5) - writes))
./kfiles files 100 900 >kfiles.truth & files=$!
until_there kfiles.truth
socat TCP-LISTEN:18099,reuseaddr,fork EXEC:/bin/cat 2>/dev/null & server=$!
n=0; until socat -u OPEN:/dev/null TCP:127.0.0.1:18099 2>/dev/null; do n=$((n + 1)); [ $n -gt 100 ] && break; sleep 0.2; done
cp "$(command -v socat)" kclient
for i in 1 2 3 4 5; do printf 'hello %s\n' $i | ./kclient -t 30 - TCP:127.0.0.1:18099 >/dev/null; done
if grep -q '"name":"requests","wing":"app","state":"on"' items.json; then
	cat >nginx.conf <<-C
	daemon on; worker_processes 1; pid $W/nginx.pid; error_log $W/nginx.err;
	events { worker_connections 64; }
	http { access_log off; client_body_temp_path $W/n; proxy_temp_path $W/n; fastcgi_temp_path $W/n; uwsgi_temp_path $W/n; scgi_temp_path $W/n;
		server { listen 127.0.0.1:28080; listen [::1]:28081; location / { return 200 "hello\n"; } location /missing { return 404; } } }
	C
	nginx -c "$W/nginx.conf" -p "$W" 2>/dev/null
	for i in 1 2 3 4 5; do
		curl -s "http://127.0.0.1:28080/users/$i" "http://127.0.0.1:28080/missing" >/dev/null
		curl -s -g "http://[::1]:28081/users/$i" >/dev/null
	done
fi
sleep 3
lo_before=$(cat /sys/class/net/lo/statistics/rx_bytes)
get /metrics >metrics
lo_after=$(cat /sys/class/net/lo/statistics/rx_bytes)
get '/v1/records/exec?source=recent&limit=10000' >exec.json
ended() { grep -o '"process":"kclient"[^}]*"side":"client"' life.json | wc -l; }
n=0; until get '/v1/records/tcp_life?source=recent&limit=10000' >life.json; [ "$(ended)" = 5 ]; do n=$((n + 1)); [ $n -gt 15 ] && break; sleep 1; done

near "syscalls: getppid, exact" "$(truth kcalls getppid)" "$(metric sonde_syscall_seconds_count process=kcalls syscall=getppid)" 0 0
near "syscalls: openat that found nothing, exact" "$(truth kcalls openat_ENOENT)" "$(metric sonde_syscall_errors_total process=kcalls syscall=openat errno=ENOENT)" 0 0
near "syscalls: time in nanosleep" "$(calc "$(truth kcalls slept_ns) / 1e9")" "$(metric sonde_syscall_seconds_sum process=kcalls syscall=nanosleep)" 5 0.05
starts=$(awk '$1 == "start" && ($2 == "short" || $2 == "plain" || $2 == "thread")' kstarts.truth | wc -l)
near "exec: starts of known programs, exact" "$starts" "$(for pid in $(awk '$1 == "start" && ($2 == "short" || $2 == "plain" || $2 == "thread") { print $3 }' kstarts.truth); do grep -o "\"kind\":\"exec\"[^}]*\"pid\":$pid," exec.json | head -n 1; done | wc -l)" 0 0
ends=$(awk '$1 == "end" { print $3 }' kstarts.truth)
near "exec: ends of known programs, exact" "$(echo "$ends" | wc -l)" "$(for pid in $ends; do grep -o "\"kind\":\"exit\"[^}]*\"pid\":$pid," exec.json | head -n 1; done | wc -l)" 0 0
near "cpu: seconds of 25 processes against wait4" "$(calc "($(truth kuse user_ns) + $(truth kuse system_ns)) / 1e9")" "$(metric sonde_cpu_seconds_total process=kuse)" 1 0.02
near "cpu: voluntary switches against wait4" "$(truth kuse voluntary)" "$(metric sonde_cpu_context_switches_total process=kuse kind=voluntary)" 0 3
near "mem: minor faults against wait4" "$(truth kuse minor)" "$(metric sonde_mem_page_faults_total process=kuse kind=minor)" 0.2 5
# (between the scheduler's clock and the program's lie some tenths of an emulated millisecond)
near "runqlat: seconds waited against schedstat" "$(calc "$(truth kburn wait_ns) / 1e9")" "$(metric sonde_runqlat_seconds_sum process=kburn)" 5 "$(calc "$(truth kburn waits) * 0.0005")"
near "runqlat: number of waits against schedstat" "$(truth kburn waits)" "$(metric sonde_runqlat_seconds_count process=kburn)" 5 30
near "disk: reads served against /proc/diskstats" "$reads" "$(metric sonde_disk_service_seconds_count device="$disk" op=read)" 0 0
near "disk: writes served against /proc/diskstats" "$writes" "$(metric sonde_disk_service_seconds_count device="$disk" op=write)" 0 0
near "disk: bytes written by the process" "$(truth kdisk written)" "$(metric sonde_disk_process_bytes_total process=kdisk op=write)" 0 0
within "nic: bytes of the loopback interface against /sys" "$(metric sonde_nic_bytes_total interface=lo direction=inbound)" "$lo_before" "$lo_after"
rss=$(awk '/^Rss/{print $2 * 1024}' /proc/$(truth kfiles pid)/smaps_rollup)
near "mem: resident bytes against the page tables" "$rss" "$(metric sonde_mem_resident_bytes process=kfiles)" 0 65536
for type in socket epoll eventfd timerfd signalfd inotify file directory; do
	near "files: $type" "$(truth kfiles $type)" "$(metric sonde_files_open process=kfiles type=$type)" 0 0
done
near "files: all of them against /proc/PID/fd" "$(ls "/proc/$(truth kfiles pid)/fd" | wc -l)" "$(metric sonde_files_open process=kfiles)" 0 0
if [ -s nginx.pid ]; then
	equal "requests: of the server, by IPv4 and IPv6" 10 "$(metric sonde_request_duration_seconds_count process=nginx side=server resource=/users/:id status=200)"
	equal "requests: of the client" 15 "$(metric sonde_request_duration_seconds_count process=curl side=client)"
	equal "requests: errors" 5 "$(metric sonde_request_errors_total process=nginx side=server status=404)"
	equal "requests: time in the queue is known" 15 "$(metric sonde_request_phase_seconds_count process=nginx side=server phase=queue)"
	kill "$(cat nginx.pid)"
fi
equal "tcp_life: connections of kclient" 5 "$(ended)"
[ "$(ended) $(grep -o '"process":"kclient"[^}]*"sent_bytes":8,"received_bytes":8,' life.json | wc -l)" = "5 5" ] || sed 's/{"time"/\n&/g' life.json | grep 18099 | cut -c1-400 | sed 's/^/# /'
equal "tcp_life: bytes of each, to the byte" 5 "$(grep -o '"process":"kclient"[^}]*"sent_bytes":8,"received_bytes":8,' life.json | wc -l)"
equal "tcp_state: connections opened by kclient" 5 "$(metric sonde_tcp_opened_total process=kclient direction=outbound)"
within "tcp_state: listening sockets of socat" "$(metric sonde_tcp_connections state=listen process=socat)" 1 1
for item in tcp_state tcp_life exec runqlat syscalls cpu mem disk nic files requests; do
	# what the kernel itself skipped it tells (7.2 does, when a program is preempted): that is no fault of the item
	equal "$item: nothing lost" 0 "$(calc "$(metric sonde_item_events_total item=$item stage=lost) - $(metric sonde_item_events_total item=$item stage=lost reason=recursion)")"
done
# the catalogue, on a file system of its own (what the guest has else is no disk's): by hand, it takes ten minutes
if [ -n "${CATALOGUE:-}" ]; then
	truncate -s 32M files.image
	mkfs.ext4 -q files.image 2>/dev/null
	mkdir -p files && modprobe ext4 2>/dev/null
	mount -o loop files.image files || not_ok "catalogue: no file system to work on"
	# what older kernels can't tell (5.10: errors of sockets, reasons of drops)
	skipped=
	if [ "$KERNEL" = 5.10 ]; then
		skipped=tcp_health
		grep -v 'drop_reason' "$table" >table && table=$W/table
	fi
	OPERATE_IN=$W/files test_catalogue
	umount files 2>/dev/null
fi
# what each program costs: instructions that the verifier followed (5.16 and later tell), and how long it is
"$SONDE" self --json >self.json
bpftool -j prog show >programs.json 2>/dev/null
jq -r --arg kernel "$KERNEL" --slurpfile loaded programs.json '.items[] | .name as $item | .programs[] | . as $program
	| "# instructions \($kernel) \($item) \(.name) \(.instructions // 0) \(([$loaded[0][]? | select(.id == $program.id) | .bytes_xlated / 8][0]) // 0)"' self.json
kill $server "$(truth kfiles pid)" 2>/dev/null
losetup -d "$device" 2>/dev/null
kill -TERM $agent
wait $agent
equal "the agent ends with 0" 0 $?

# requests: each way to see calls that this kernel has, forced: the requests of a server and of a client, told and timed
if [ -s nginx.conf ]; then
	case $KERNEL in
	5.10) ways="inet_sent_old kretprobe/inet_sendmsg raw_tp/sys_exit" ;;
	6.1) ways="fexit/inet_sendmsg inet_sent_old kretprobe/inet_sendmsg raw_tp/sys_exit" ;;
	*) ways="tp_btf/sock_send_length fexit/inet_sendmsg inet_sent_old kretprobe/inet_sendmsg raw_tp/sys_exit" ;;
	esac
	others=$(sed 's/"name":"/\n/g' items.json | sed -n 's/^\([a-z0-9_]*\)","wing".*/\1/p' | grep -v '^requests$')
	off=$(for item in $others; do echo "--set items.$item.on=false"; done)
	nginx -c "$W/nginx.conf" -p "$W" 2>/dev/null
	for way in $ways; do
		# shellcheck disable=SC2086
		"$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$W/store.way" $off --set "items.requests.hook.send=$way" 2>way.log & agent=$!
		n=0; until grep -q '^ready' way.log || ! kill -0 $agent 2>/dev/null || [ $n -gt 600 ]; do n=$((n + 1)); sleep 0.1; done
		for i in 1 2 3 4 5 6 7 8; do curl -s "http://127.0.0.1:28080/users/$i" "http://127.0.0.1:28080/users/1$i" -g "http://[::1]:28081/missing" >/dev/null; done
		sleep 2
		get /metrics >metrics
		equal "requests by $way: of the server" 24 "$(metric sonde_request_duration_seconds_count process=nginx side=server)"
		equal "requests by $way: of the client" 24 "$(metric sonde_request_duration_seconds_count process=curl side=client)"
		equal "requests by $way: errors" 8 "$(metric sonde_request_errors_total process=nginx side=server status=404)"
		equal "requests by $way: time in the queue is known" 24 "$(metric sonde_request_phase_seconds_count process=nginx side=server phase=queue)"
		equal "requests by $way: nothing lost" 0 "$(calc "$(metric sonde_item_events_total item=requests stage=lost) - $(metric sonde_item_events_total item=requests stage=lost reason=recursion)")"
		"$SONDE" self --json | jq -r --arg kernel "$KERNEL" --slurpfile loaded /dev/null '.items[] | select(.name == "requests") | .programs[] | "# way \(.name) \(.instructions // 0)"' 2>/dev/null
		kill -TERM $agent
		wait $agent
	done
	kill "$(cat nginx.pid)"
fi
