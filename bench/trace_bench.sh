#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# trace_bench.sh [SONDE_TRACE [BPFTRACE]]: what the tracing language costs, beside bpftrace in the same run.
#
#   start-up	CPU (user + system) and peak RSS of three scripts that end at once; least of RUNS
#   size	the program and all libraries it needs
#   per event	extra ns per system call while a script counts them: a loop of getppid(2), least of RUNS, the runs
#		of all contenders interleaved so that a noisy moment hits all of them
#
# Every line ends with the ratio bpftrace / ours: above 1 ours is ahead. Needs root.
set -u
ours=${1:-build/src/trace/sonde-trace}
theirs=${2:-$(command -v bpftrace || true)}
RUNS=${RUNS:-7}
[ -x "$ours" ] || { echo "no $ours: build first" >&2; exit 2; }
[ -n "$theirs" ] || { echo "no bpftrace to compare with: apt-get install bpftrace" >&2; exit 77; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

cat >"$work/cost.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>
/* cost CMD ARGS...: microseconds of CPU and KiB of peak RSS of the command */
int main(int n, char **argv)
{
	struct rusage use;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	wait4(pid, NULL, 0, &use);
	printf("%ld %ld\n", use.ru_utime.tv_sec * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_sec * 1000000 +
	       use.ru_stime.tv_usec, use.ru_maxrss);
	return 0;
}
C
cat >"$work/loop.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
/* loop N: ns per getppid */
int main(int n, char **argv)
{
	long times = atol(argv[1]);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < times; i++)
		syscall(SYS_getppid);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / times);
	return 0;
}
C
cc -O2 -o "$work/cost" "$work/cost.c" && cc -O2 -o "$work/loop" "$work/loop.c" || exit 2

least_cost() { # CMD SCRIPT -> "us KiB"
	for _ in $(seq "$RUNS"); do "$work/cost" "$1" -e "$2"; done | sort -n | head -1
}

line() { # WHAT OURS THEIRS UNIT
	awk -v what="$1" -v a="$2" -v b="$3" -v unit="$4" \
		'BEGIN { printf "%-44s ours %10.1f %-4s bpftrace %10.1f %-4s ratio %.1f\n", what, a, unit, b, unit, (a > 0 ? b / a : 0) }'
}

startup() { # NAME SCRIPT
	local a b
	a=$(least_cost "$ours" "$2"); b=$(least_cost "$theirs" "$2")
	line "start-up, $1: CPU" "$(awk '{print $1 / 1000}' <<<"$a")" "$(awk '{print $1 / 1000}' <<<"$b")" ms
	line "start-up, $1: peak RSS" "$(awk '{print $2 / 1024}' <<<"$a")" "$(awk '{print $2 / 1024}' <<<"$b")" MiB
}

size() { # PROGRAM -> MiB with its libraries
	{ echo "$1"; ldd "$1" 2>/dev/null | grep -o '/[^ ]*'; } | sort -u | xargs -r stat -L -c %s | awk '{s += $1} END {print s / 1048576}'
}

echo "ours: $("$ours" -V), theirs: $("$theirs" --version 2>/dev/null), kernel $(uname -r)"
startup "nothing" 'BEGIN { exit(); }'
startup "three probes" 'BEGIN { exit(); } tracepoint:sched:sched_switch { @[comm] = count(); } interval:s:1 { print(@); }'
startup "a field of task_struct" 'BEGIN { printf("%d\n", ((struct task_struct *)curtask)->tgid); exit(); }'
line "size with all libraries" "$(size "$ours")" "$(size "$theirs")" MiB

# Extra cost of a script per event: the loop with it, less the loop without.
declare -A least
note() { awk -v old="${least[$1]:-}" -v new="$2" 'BEGIN { exit !(old == "" || new < old) }' && least[$1]=$2; }
with() { # NAME CMD SCRIPT
	local out=$work/out pid ns
	"$2" -e "$3" >"$out" 2>&1 &
	pid=$!
	for _ in $(seq 200); do grep -q Attach "$out" && [ -n "$(grep -l ready "$out")" ] && break; read -r -t 0.05 <> <(:); done
	ns=$("$work/loop" 2000000)
	kill -INT $pid; wait $pid 2>/dev/null
	note "$1" "$ns"
}
count='tracepoint:raw_syscalls:sys_enter { @[comm] = count(); } interval:ms:50 { printf("ready\n"); }'
hist='tracepoint:raw_syscalls:sys_enter { @[comm] = hist(args->id); } interval:ms:50 { printf("ready\n"); }'
for _ in $(seq "$RUNS"); do
	note base "$("$work/loop" 2000000)"
	with count_ours "$ours" "$count"; with count_theirs "$theirs" "$count"
	with hist_ours "$ours" "$hist"; with hist_theirs "$theirs" "$hist"
done
echo "a getppid(2) costs ${least[base]} ns"
for what in count hist; do
	line "@[comm] = $what(): ns per event" "$(awk "BEGIN {print ${least[${what}_ours]} - ${least[base]}}")" \
		"$(awk "BEGIN {print ${least[${what}_theirs]} - ${least[base]}}")" ns
done
