#!/bin/sh
# syscalls against a program that knows how many calls it made, how many failed, and how long it slept.
. "$(dirname "$0")/../items/items.sh"
start_agent --set items.syscalls.on=true
worker sccalls
"$WORK/sccalls" calls 20000 >"$WORK/truth"
metric_near "syscalls: getppid, exact" "$(truth getppid)" 0 0 sonde_syscall_seconds_count process=sccalls syscall=getppid
metric_near "syscalls: openat that found nothing, exact" "$(truth openat_ENOENT)" 0 0 sonde_syscall_errors_total process=sccalls syscall=openat errno=ENOENT
metric_near "syscalls: close of nothing, exact" "$(truth close_EBADF)" 0 0 sonde_syscall_errors_total process=sccalls syscall=close errno=EBADF
metric_near "syscalls: nanosleep, exact" "$(truth nanosleep)" 0 0 sonde_syscall_seconds_count process=sccalls syscall=nanosleep
metric_near "syscalls: time in nanosleep" "$(calc "$(truth slept_ns) / 1e9")" 5 0.01 sonde_syscall_seconds_sum process=sccalls syscall=nanosleep
metric_near "syscalls: exit_group counts though it never ends" 1 0 0 sonde_syscall_seconds_count process=sccalls syscall=exit_group
worker scthread
"$WORK/scthread" thread-exec 20 >/dev/null
# (the one that started scthread itself ended in it, too)
metric_near "syscalls: execve of threads that take over the process" 21 0 0 sonde_syscall_seconds_count process=scthread syscall=execve
"$WORK/work" storm 960 3
keys_live syscalls calls
nothing_lost syscalls

check "errors_only" "$SONDE" items on syscalls errors_only=true
worker scerrors
"$WORK/scerrors" calls 1000 >"$WORK/truth"
metric_near "syscalls: only those that failed" "$(truth openat_ENOENT)" 0 0 sonde_syscall_seconds_count process=scerrors syscall=openat
equal "syscalls: none that succeeded" 0 "$(metric sonde_syscall_seconds_count process=scerrors syscall=getppid)"
check "off again" "$SONDE" items off syscalls
