#!/bin/sh
# beside.sh - the set that is on by default, and single items beside Debian's libbpf-tools that do the same work.
#	bench/beside.sh [ROUNDS [SECONDS]]
# Loads: processes that are started (as a build does), files that are opened, nginx + wrk with a connection for each request,
# pgbench and fio where they are installed. Each round runs a load with nothing, with the default set, with an item, with
# the tool, and with nothing again; CPU of an operation is that of all processes and the kernel. Tools that need what this kernel does not have
# (kernel function probes) say so and are left out.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need nginx wrk jq curl gcc
ROUNDS=${1:-5} SECONDS_EACH=${2:-2}
PORT=28473
PAIRS="runqlat:runqlat exec:execsnoop file_opens:opensnoop syscalls:syscount tcp_life:tcplife disk:biolatency"

cat >"$W/load.c" <<'C'
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
int main(int argc, char **argv)
{
	double begin = now(), end = begin + atof(argv[2]);
	char *const words[] = {"/bin/true", NULL}, *const none[] = {NULL};
	long n = 0;
	int pid;

	for (; now() < end; n++)
		if (!strcmp(argv[1], "fork") && !posix_spawn(&pid, words[0], NULL, NULL, words, none))
			waitpid(pid, NULL, 0);
		else if (!strcmp(argv[1], "opens"))
			close(open("/dev/null", O_RDONLY));
	printf("%ld %f\n", n, now() - begin);
	return 0;
}
C
gcc -O2 -o "$W/load" "$W/load.c" || fail "the load does not build"
nginx_start $PORT

# Each load prints `OPERATIONS SECONDS`.
load_fork() { "$W/load" fork "$SECONDS_EACH"; }
load_opens() { "$W/load" opens "$SECONDS_EACH"; }
load_short() { wrk -t1 -c16 -d"${SECONDS_EACH}s" -H 'Connection: close' http://127.0.0.1:$PORT/ | awk '/requests in/{ n = $1; sub(",", "", $4); t = $4 + 0 } END { print n, t }'; }
load_pgbench() { pgbench -n -S -T "$SECONDS_EACH" -c 4 ${PGDATABASE:-} 2>/dev/null | awk '/transactions actually/{ split($NF, a, "/"); n = a[1] } /^tps/{ t = n / $3 } END { print n, t }'; }
load_fio() { fio --name=b --filename="$W/fio" --size=64m --rw=randrw --bs=4k --time_based --runtime="$SECONDS_EACH" --output-format=json 2>/dev/null | jq -r '.jobs[0] | "\(.read.total_ios + .write.total_ios) \(.job_runtime / 1000)"'; }
LOADS="fork opens short"
[ -n "${PGDATABASE:-}" ] && LOADS="$LOADS pgbench"
command -v fio >/dev/null && LOADS="$LOADS fio"

tool_start() { # TOOL
	PATH=$PATH:/usr/sbin
	case $1 in # (they print when they end)
	biolatency | runqlat) set -- "$1" 3600 ;;
	syscount) set -- "$1" -d 3600 ;;
	esac
	"$@" >"$W/tool.out" 2>&1 & tool=$!
	sleep 1
	kill -0 $tool 2>/dev/null
}
tool_stop() { kill -INT $tool 2>/dev/null; wait $tool 2>/dev/null; }
row() { # LOAD WHO COMMAND-THAT-BEGINS COMMAND-THAT-ENDS
	$3 || { echo "# $2 does not run here: $(tail -n 1 "$W/tool.out")" >>"$W/left"; return; }
	before=$(busy_ns)
	result=$("load_$1")
	after=$(busy_ns)
	$4
	echo "$1 $2 $result $((after - before))" | awk '{ printf "%s %s %.1f %.1f\n", $1, $2, $3 / $4, $5 / $3 }' >>"$W/rows"
}
switch() { state=$1; shift; for name in "$@"; do "$SONDE" items "$state" "$name" >/dev/null || fail "cannot switch $name $state"; done; }
all_on() { switch on $DEFAULTS; }
all_off() { switch off $DEFAULTS; }
one_on() { switch on "$item"; }
one_off() { switch off "$item"; }
tool_on() { tool_start "$tool_name"; }

agent_start_with_nothing_on
machine before
for load in $LOADS; do "load_$load" >/dev/null; done
round=0
while [ $round -lt "$ROUNDS" ]; do
	for load in $LOADS; do
		row "$load" none true true
		row "$load" default all_on all_off
		for pair in $PAIRS; do
			item=${pair%:*} tool_name=${pair#*:}
			row "$load" "$item" one_on one_off
			command -v "$tool_name" >/dev/null || [ -x "/usr/sbin/$tool_name" ] && row "$load" "tool-$tool_name" tool_on tool_stop
		done
		row "$load" again true true
	done
	round=$((round + 1))
done
echo "medians of $ROUNDS rounds of $SECONDS_EACH s, interleaved"
awk -f "$here/compare.awk" "$W/rows"
[ -s "$W/left" ] && sort -u "$W/left"
machine after
