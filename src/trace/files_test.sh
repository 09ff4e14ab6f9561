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

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
