#!/bin/sh
# files against a process that knows what it opened, and /proc/PID/fd.
. "$(dirname "$0")/../items/items.sh"
start_agent
worker fduser
"$WORK/fduser" files 12500 15 >"$WORK/truth"
for type in socket epoll eventfd timerfd signalfd inotify file directory; do
	metric_near "files: $type" "$(truth $type)" 0 0 sonde_files_open process=fduser type=$type
done
pid=$(truth pid)
metric_near "files: all of them against /proc/PID/fd" "$(ls "/proc/$pid/fd" | wc -l)" 0 0 sonde_files_open process=fduser
metric_near "files: the limit" 15000 0 0 sonde_files_limit process=fduser
metric_near "files: it is near its limit" 1 0 0 sonde_files_near_limit process=fduser
metric_near "files: open files of the machine" "$(awk '{ print $1 }' /proc/sys/fs/file-nr)" 5 2000 sonde_files_host_open
kill "$pid"
is_gone() { [ "$(metric sonde_files_open process=fduser)" = 0 ]; }
check "files: gone with the process" wait_for 5 is_gone
nothing_lost files
