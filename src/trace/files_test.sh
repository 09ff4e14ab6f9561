#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# files_test.sh SONDE_TRACE: scripts of several files, and listing: what the golden scripts, which are one line each, cannot
# show. Answers are those of bpftrace 0.27.1, but where the text says otherwise.
set -u
command=$1 passed=0 failed=0
"$command" -q -e 'begin { exit(); }' >/dev/null 2>&1 || { echo "not permitted to load BPF programs: skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

says() { # WANTED ARGUMENTS...: what it prints, blanks in a row as one
	wanted=$1
	shift
	said=$("$command" "$@" 2>&1 | tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//')
	if [ "$said" = "$wanted" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $*"
		echo "  said:   $said"
		echo "  wanted: $wanted"
	fi
}

mkdir lib
printf 'macro twice(x) { x * 2 }\nbegin { printf("a "); }\n' >lib/a.bt
printf 'import "a.bt";\nmacro four(x) { twice(twice(x)) }\nend { printf("z"); }\n' >lib/b.bt
printf '#ifndef ONCE\n#define ONCE\n#define SEVEN 7\nstruct pair { int a; char b; };\nint later(struct pair *p);\ntypedef struct pair pair_t;\n#endif\n' >lib/own.h
printf 'import "lib/b.bt";\nbegin { printf("%%d ", four(5)); }\n' >main.bt
printf '#include "lib/own.h"\nbegin { printf("%%d %%d", SEVEN, sizeof(struct pair)); }\n' >header.bt
says "a 20 z" -q main.bt
says "a 4 z" -q -e 'import "lib"; begin { printf("%d ", twice(2)); }'
says "7 8" -q header.bt
says "7 8" -q --include lib/own.h -e 'begin { printf("%d %d", SEVEN, sizeof(struct pair)); }'
says "7 8" -q -I lib -e '#include <own.h>
begin { printf("%d %d", SEVEN, sizeof(struct pair)); }'
says 'stdin:1:1-19: ERROR: Unable to find suitable path for import import "nosuch.bt"; begin { } ~~~~~~~~~~~~~~~~~~ HINT: checked: nosuch.bt' \
	-e 'import "nosuch.bt"; begin { }'
# a mistake in an imported file is told with that file's name and line
printf '\nmacro bad(x) { x + nosuch }\nbegin { print(bad(1)); }\n' >lib/wrong.bt
says 'lib/wrong.bt:3:15-21: ERROR: Unknown identifier: '"'nosuch'"' begin { print(bad(1)); } ~~~~~~' -e 'import "lib/wrong.bt"; begin { }'

says 'vmlinux: struct list_head { struct list_head *next; struct list_head *prev; };' -lv 'struct list_head'
says 'struct list_head' -l 'struct list_head'
says 'vmlinux: enum hrtimer_restart { HRTIMER_NORESTART = 0, HRTIMER_RESTART = 1, };' -lv 'enum hrtimer_restart'
says 'vmlinux: struct seq_operations { void * (*start)(struct seq_file *, loff_t *); void (*stop)(struct seq_file *, void *); void * (*next)(struct seq_file *, void *, loff_t *); int (*show)(struct seq_file *, void *); };' \
	-lv 'struct seq_operations'
says 'tracepoint:raw_syscalls:sys_enter tracepoint:raw_syscalls:sys_exit software:cs:' -l 't:raw_syscalls:*,s:cs:'
says 'interval:s: profile:hz: software:cpu-clock:' -l -e 'begin { } i:s:1 { } p:hz:99 { } s:cpu-clock:1000 { }'
says 'tracepoint:raw_syscalls:sys_exit long id long ret' -lv -e 'tracepoint:raw_syscalls:sys_exit { }'

says 'ERROR: No probes attached; use --test to run test probes.' -e 'test:one { }'
says '2' -q -e 'test:one { print(1); } begin { print(2); }'
# the duration differs from run to run
out=$("$command" --test -e 'test:one { print(1); } test:two { print(2); return 1; } test:three { exit(3); }' 2>&1)
code=$?
said=$(printf '%s\n' "$out" | sed 's/\x1b\[[0-9]*m//g; s/ ([0-9]* [^)]*)//' | tr -s ' \n' ' ')
wanted='[==========] Running 3 tests. [ RUN ] one [ OK ] one [ RUN ] two 2 [ FAILED ] two [ RUN ] three [ FAILED ] three [==========] 3 tests ran. [ PASSED ] 1 test. [ FAILED ] 2 tests, listed below: [ FAILED ] two [ FAILED ] three '
if [ "$code" = 1 ] && [ "$said" = "$wanted" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: --test ($code): $said"; fi

# what is decided while compiling: the other branch is not looked into
says "one" -q -e 'begin { if comptime (1 == 1) { printf("one"); } else { printf("%d", args.nosuch); } }'
says "a b" -q -e 'macro f($x) { printf("a "); } macro f(x, y) { printf("b"); } begin { $v = 1; f($v); f(1, 2); }'
says "2 8" -q -e 'macro sz(t) { sizeof(t) } begin { printf("%d %d", sz(typeof(uint16)), sz(typeof(int8 *))); }'
says "77 perf 1" -q -e 'config = { max_strlen = 77; stack_mode = perf } begin { printf("%d %s %d", config().max_strlen, config.stack_mode, config.cpp_demangle); }'
says "xy 2 25" -q -e 'begin { $a = "x"; $n = 2; printf("%s %d %d", str_concat($a, "y"), strlen(str_concat($a, "y")), strlen(strerror($n))); }'
says "write Unknown syscall Killed" -q -e 'begin { $n = 1; $m = 9999; $k = 9; printf("%s %s %s", syscall_name($n), syscall_name($m), signal_name($k)); }'
# a limit ends the script, and what it printed stays
says "1 1 1" -q --max-events 3 -e 'i:ms:1 { print(1); }'
says "" -q --max-time 50ms -e 'i:s:100 { }'
out=$("$command" -q --max-cost 0.00001% -e 'rawtracepoint:sys_enter { @[comm] = count(); }' 2>&1 >/dev/null)
case $?:$out in 3:*"are allowed"*) passed=$((passed + 1)) ;; *) failed=$((failed + 1)); echo "FAILED: --max-cost: $out" ;; esac
# every script that comes with the program is accepted, where its probes are there
for script in $("$command" --scripts | sed 's/^ *\([a-z]*\).*/\1/'); do
	case $script in
	ufunclatency) set -- libc:malloc ;;
	uarglatency) set -- libc:malloc 0 ;;
	argdist) set -- uprobe:libc:malloc 0 ;;
	retdist) set -- uretprobe:libc:malloc ;;
	trace) set -- rawtracepoint:sched_process_exit ;;
	funccount | stackcount | ustackcount) set -- tracepoint:sched:sched_process_exit ;;
	*) set -- do_exit 0 ;;
	esac
	out=$(BPFTRACE_MISSING_PROBES=ignore "$command" --dry-run "$script" "$@" 2>&1)
	case $?:$out in
	0:* | *"No matches"* | *"No probes to attach"* | *"no valid attach points"* | *"does not exist"* | *"not known"*) passed=$((passed + 1)) ;;
	*) failed=$((failed + 1)); echo "FAILED: $script $*: $out" ;;
	esac
done

# whose container a thread is in: groups made by hand, one with a runtime's state file
root=/sys/fs/cgroup
[ -d $root/pids ] && root=$root/pids
nameless=5d0de00000000000000000000000000000000000000000000000000000000001
named=5d0de00000000000000000000000000000000000000000000000000000000002
state=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$named
in_group() { # GROUP: a shell in it that starts programs
	sh -c "echo \$\$ >$root/sondetest$$/$1/cgroup.procs && while :; do sleep 0.05; done" &
}
if mkdir -p "$root/sondetest$$/$nameless" "$root/sondetest$$/$named" "$state" 2>/dev/null; then
	echo '{"annotations":{"io.kubernetes.cri.container-name":"web","io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-name":"shop-1"}}' >"$state/config.json"
	in_group $nameless
	one=$!
	in_group $named
	two=$!
	sleep 0.3
	says 'web of shop-1' -q --max-time 20s -e 'rawtracepoint:sys_enter /container == "web"/ { printf("%s of %s", container, pod); exit(); }'
	says '5d0de0000000 of nobody' -q --max-time 20s -e 'rawtracepoint:sys_enter /container == "5d0de0000000"/ { printf("%s of %s", container, pod == "" ? "nobody" : "somebody"); exit(); }'
	kill $one $two
	wait $one $two 2>/dev/null
	sleep 0.3
	rmdir "$root/sondetest$$/$nameless" "$root/sondetest$$/$named" "$root/sondetest$$"
	rm -r "$state"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
