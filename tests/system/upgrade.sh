#!/bin/sh
# An upgrade loses nothing: versions are swapped while events run at full speed, with the same maps and with others.
# CALLS=3000000 SWAPS=2000 for the long run.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
calls=${CALLS:-400000}
compile() { clang -target bpf -O2 -g -Wall -D__TARGET_ARCH_x86 -I "$top/src" -I "/usr/include/$(gcc -print-multiarch)" "$@"; }
alone upgrade

# a counter item, the same with another constant inside, and one whose key is laid out in another way
cat >"$WORK/asked.bpf.c" <<'C'
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"

ITEM("app", "off", "calls of getpgid with a number that is the test's");
struct key {
#if LAYOUT == 2
	__u64 wide;
#endif
	__u32 which COL("number");
	__u32 pad;
};
METRIC_COUNTER(asked, struct key, 64, "help=calls");
struct enter { struct trace_entry common; __s64 nr; __u64 arg[6]; };

HOOK("tp/syscalls/sys_enter_getpgid", enter, 1)
int enter(struct enter *ctx)
{
	struct key key = {};

	if (ctx->arg[0] != 777777)
		return 0;
	key.which = 777777;
	counter_add(&asked, &key, VERSION ? 1 : 1);
	return 0;
}
C
compile -DVERSION=0 -DLAYOUT=1 -c "$WORK/asked.bpf.c" -o "$WORK/asked.bpf.o" || exit 1
compile -DVERSION=1 -DLAYOUT=1 -c "$WORK/asked.bpf.c" -o "$WORK/same.bpf.o" || exit 1
compile -DVERSION=1 -DLAYOUT=2 -c "$WORK/asked.bpf.c" -o "$WORK/other.bpf.o" || exit 1
cat >"$WORK/ask.c" <<'C'
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) { for (long i = atol(argv[1]); i; i--) getpgid(777777); return 0; }
C
gcc -O2 -o "$WORK/ask" "$WORK/ask.c" || exit 1
upgrade() { curl -s -o /dev/null -w '%{http_code}\n' -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" --unix-socket "$SONDE_SOCKET" "http://localhost/v1/items/$1"; }
# swap ITEM FILE FILE: back and forth until $WORK/stop is there
swap() { while [ ! -e "$WORK/stop" ]; do upgrade "$1" "$2"; upgrade "$1" "$3"; done >"$WORK/codes"; }
start_agent
"$SONDE" items add "$WORK/asked.bpf.o" && "$SONDE" items on asked

# $1 what, $2 file, $3 file
counted_exactly() {
	before=$(metric sonde_asked_total)
	rm -f "$WORK/stop"
	swap asked "$2" "$3" &
	swapper=$!
	fell=0 last=0 made=0
	while [ $made -lt "$calls" ] || [ "$(wc -l <"$WORK/codes")" -lt "${SWAPS:-30}" ]; do
		"$WORK/ask" $((calls / 10))
		made=$((made + calls / 10))
		now=$(metric sonde_asked_total)
		[ "$(awk -v a="$now" -v b="$last" 'BEGIN {print (a + 0 < b + 0)}')" = 1 ] && fell=1
		last=$now
	done
	touch "$WORK/stop"; wait $swapper
	echo "# $1: $(wc -l <"$WORK/codes") swaps"
	equal "$1: every upgrade succeeded" 0 "$(grep -vc '^200$' "$WORK/codes")"
	equal "$1: each of $made events counted once" "$made" "$(awk -v a="$(metric sonde_asked_total)" -v b="$before" 'BEGIN {printf "%d", a - b}')"
	equal "$1: the counter never fell" 0 "$fell"
}
counted_exactly "the same layout" "$WORK/same.bpf.o" "$WORK/asked.bpf.o"
counted_exactly "another layout of the counter's map" "$WORK/other.bpf.o" "$WORK/asked.bpf.o"

# runqlat: several hooks, and another layout of the map where waits begin. The truth is the same program under another name
# that is never exchanged, beside it on the same tracepoints; both look at one program's threads only, so that what was counted
# and what was dropped with a version is exactly what that one saw. (/proc/PID/schedstat is no such truth: the kernel loses
# events of a tracepoint while somebody else is attached to it or let go, docs/upgrade.md.)
mkdir -p "$WORK/first/kernel" "$WORK/second/kernel"
sed 's/^enum { TASK_DEAD.*/&\nstatic __always_inline bool is_ours(struct task_struct *task)\n{\n\tchar comm[16] = {};\n\n\tBPF_CORE_READ_INTO(\&comm, task, comm);\n\treturn comm[0] == '"'u'"' \&\& comm[1] == '"'p'"' \&\& comm[2] == '"'b'"' \&\& comm[3] == '"'u'"';\n}/
	s/if (!task_on_cpu(typed, task) /if (is_ours(task) \&\& !task_on_cpu(typed, task) /; s/if (preempt || !state)/if (is_ours(prev) \&\& (preempt || !state))/' \
	"$top/src/kernel/waits.bpf.h" | awk '
	/^PER_THREAD\(waiting/ { print; print "#ifdef AGAIN\nMETRIC_COUNTER(runqagain, struct owner, 64, \"help=waits that began once more\");\n#define AGAIN_IF(it) do { struct owner owner = {}; if (it) counter_add(&runqagain, &owner, 1); } while (0)\n#else\n#define AGAIN_IF(it)\n#endif"; next }
	/since = bpf_map_lookup_elem/ && !done { print; print "\tAGAIN_IF(since && *since);"; done = 1; next }
	{ print }' >"$WORK/first/kernel/waits.bpf.h"
sed 's/PER_THREAD(waiting, __u64,/PER_THREAD(waiting, struct since,/; s/since && \*since/since \&\& since->at/; s/__u64 \*since, wait_ns;/struct since *since;\n\t__u64 wait_ns;/; s/__u64 \*since;/struct since *since, first = {.at = now};/; s/\*since = now/since->at = now/; s/!\*since/!since->at/; s/- \*since/- since->at/; s/\*since = 0/since->at = 0/; s/map_set(&waiting, &tid, &now, BPF_ANY)/map_set(\&waiting, \&tid, \&first, BPF_ANY)/; s/^enum { TASK_DEAD/struct since { __u64 at, more; };\n&/' \
	"$WORK/first/kernel/waits.bpf.h" >"$WORK/second/kernel/waits.bpf.h"
[ "$(grep -c 'is_ours(prev)\|is_ours(task)' "$WORK/first/kernel/waits.bpf.h")" = 2 ] && grep -q 'waiting, struct since,' "$WORK/second/kernel/waits.bpf.h" || { not_ok "waits.bpf.h has another form: adapt this test"; exit 1; }
sed 's/runqlat/runqref/g' "$top/src/items/cpu/runqlat.bpf.c" >"$WORK/runqref.bpf.c"
# compile_with FOLDER SOURCE OBJECT: this folder's headers before the tree's
compile_with() { clang ${AGAIN:+-DAGAIN} -target bpf -O2 -g -Wall -D__TARGET_ARCH_x86 -I "$1" -I "$top/src" -I "/usr/include/$(gcc -print-multiarch)" -c "$2" -o "$3"; }
compile_with "$WORK/first" "$top/src/items/cpu/runqlat.bpf.c" "$WORK/runqlat1.bpf.o" &&
	compile_with "$WORK/second" "$top/src/items/cpu/runqlat.bpf.c" "$WORK/runqlat2.bpf.o" &&
	AGAIN=1 compile_with "$WORK/first" "$WORK/runqref.bpf.c" "$WORK/runqref.bpf.o" || exit 1
"$SONDE" items on runqlat
cat >"$WORK/burn.c" <<'C'
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static atomic_long waits;
static double seconds;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void *burn(void *arg)
{
	double end = now() + seconds;
	char path[64];
	unsigned long long ran, waited, times = 0;

	while (now() < end)
		for (volatile int i = 0; i < 200000; i++)
			if (!(i % 50000))
				usleep(50);
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", gettid());
	FILE *file = fopen(path, "r");
	if (file && fscanf(file, "%llu %llu %llu", &ran, &waited, &times) == 3)
		waits += (long)times;
	return NULL;
}
int main(int argc, char **argv)
{
	pthread_t thread[6];

	seconds = atof(argv[1]);
	for (int i = 0; i < 6; i++) pthread_create(&thread[i], NULL, burn, NULL);
	for (int i = 0; i < 6; i++) pthread_join(thread[i], NULL);
	printf("%ld\n", waits);
	return 0;
}
C
gcc -O2 -pthread -o "$WORK/upburn" "$WORK/burn.c" || exit 1
equal "runqlat: the first upgrade succeeded" 200 "$(upgrade runqlat "$WORK/runqlat1.bpf.o")"
"$SONDE" items add "$WORK/runqref.bpf.o" && "$SONDE" items on runqref
dropped_of_runqlat() { metric sonde_item_events_total item=runqlat stage=dropped reason=upgrade; }
# What was in the builtin version's map when it was let go was of everybody.
dropped=$(dropped_of_runqlat)
adds_up() {
	counted=$(metric sonde_runqlat_seconds_count process=upburn) seen=$(metric sonde_runqref_seconds_count process=upburn)
	lost=$(($(dropped_of_runqlat) - dropped)) again=$(metric sonde_runqagain_total)
	[ "$seen" -le $((counted + lost)) ] && [ $((counted + lost)) -le $((seen + again)) ]
}
# runqlat_adds_up WHAT FILE FILE
runqlat_adds_up() {
	rm -f "$WORK/stop"
	swap runqlat "$2" "$3" &
	swapper=$!
	made=0
	: >"$WORK/waits"
	while [ $made = 0 ] || [ "$(wc -l <"$WORK/codes")" -lt "${SWAPS:-20}" ]; do
		"$WORK/upburn" "${BURN_SECONDS:-2}" >>"$WORK/waits"
		made=$((made + 1))
	done
	touch "$WORK/stop"; wait $swapper
	equal "runqlat, $1: every upgrade succeeded" 0 "$(grep -vc '^200$' "$WORK/codes")"
	# (A thread that has told its parent that it ends may still wait for a CPU: such a wait is over when the sums agree.)
	wait_for 30 adds_up
	echo "# runqlat, $1: $(wc -l <"$WORK/codes") swaps, $seen waits seen, $counted counted, $lost dropped with a version, $again began once more; schedstat: $(awk '{ sum += $1 } END { print sum }' "$WORK/waits") of these rounds"
	# (A thread in a queue that is moved to another one and woken there begins to wait once more. If versions are exchanged
	# between the two, its first beginning is dropped and the second one counted.)
	within "runqlat, $1: counted + dropped = what happened" $((counted + lost)) "$seen" $((seen + again))
}
runqlat_adds_up "the same layout" "$WORK/runqlat1.bpf.o" "$WORK/runqlat1.bpf.o"
equal "runqlat, the same layout: nothing dropped" "$dropped" "$(dropped_of_runqlat)"
runqlat_adds_up "another layout of the map of waits" "$WORK/runqlat2.bpf.o" "$WORK/runqlat1.bpf.o"

# tcp_state: gauges right after every swap, and connections that were open before are still whose they were
python3 - "$WORK" <<'PY' &
import socket, sys, os, time
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(64)
pairs = []
for i in range(40):
    one = socket.create_connection(listener.getsockname()); other, _ = listener.accept(); pairs.append((one, other))
open("/proc/self/comm", "w").write("upsockets")
open(sys.argv[1] + "/open", "w").write("x")
while not os.path.exists(sys.argv[1] + "/close"): time.sleep(0.05)
PY
sockets=$!
at_end "kill $sockets 2>/dev/null"
check "sockets are open" wait_for 30 test -e "$WORK/open"
compile -c "$top/src/items/net/tcp_state.bpf.c" -o "$WORK/tcp1.bpf.o" && compile -DSECOND=1 -c "$top/src/items/net/tcp_state.bpf.c" -o "$WORK/tcp2.bpf.o" || exit 1
"$SONDE" items on tcp_state
connections() { get '/v1/records/tcp_state?limit=10000' | jq "[.records[] | select(.pid == $sockets and .state == \"established\") | .connections] | add // 0"; }
wrong=0 swaps=0
before=$(connections)
while [ $swaps -lt "${TCP_SWAPS:-10}" ]; do
	upgrade tcp_state "$WORK/tcp$((swaps % 2 + 1)).bpf.o" >>"$WORK/tcp_codes"
	[ "$(connections)" = 80 ] || wrong=$((wrong + 1))
	swaps=$((swaps + 1))
done
equal "tcp_state: 80 connections before" 80 "$before"
equal "tcp_state: every upgrade succeeded" 0 "$(grep -vc '^200$' "$WORK/tcp_codes")"
equal "tcp_state: and 80 right after each of $swaps swaps" 0 "$wrong"
touch "$WORK/close"
