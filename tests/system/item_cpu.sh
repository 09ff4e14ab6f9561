#!/bin/sh
# cpu against wait4() and getrusage() of the processes themselves, and /proc for the machine.
. "$(dirname "$0")/../items/items.sh"
start_agent
worker cpuuse
"$WORK/cpuuse" use 80 >"$WORK/truth"
metric_near "cpu: seconds of 81 short processes against wait4" "$(calc "($(truth user_ns) + $(truth system_ns)) / 1e9")" 0.5 0.005 sonde_cpu_seconds_total process=cpuuse
metric_near "cpu: of these in kernel mode" "$(calc "$(truth system_ns) / 1e9")" 5 0.02 sonde_cpu_seconds_total process=cpuuse mode=system
metric_near "cpu: voluntary switches against wait4" "$(truth voluntary)" 0 3 sonde_cpu_context_switches_total process=cpuuse kind=voluntary
metric_near "cpu: involuntary switches against wait4" "$(truth involuntary)" 0 3 sonde_cpu_context_switches_total process=cpuuse kind=involuntary

# read all the time while they come and go: who is between two sources counts neither twice nor not at all
worker cpuread
reading() { while [ -e "$WORK/cpuread" ]; do get /metrics >/dev/null; done; }
reading & reader=$!
"$WORK/cpuread" use 80 >"$WORK/truth"
mv "$WORK/cpuread" "$WORK/cpuread.done"; wait $reader
metric_near "cpu: seconds, read all the while" "$(calc "($(truth user_ns) + $(truth system_ns)) / 1e9")" 0.5 0.005 sonde_cpu_seconds_total process=cpuread
metric_near "cpu: voluntary switches, read all the while" "$(truth voluntary)" 0 3 sonde_cpu_context_switches_total process=cpuread kind=voluntary

worker cpulive
"$WORK/cpulive" live 700 12 >"$WORK/truth"
metric_near "cpu: seconds of a process with 700 threads against getrusage" "$(calc "($(truth user_ns) + $(truth system_ns)) / 1e9")" 2 0.02 sonde_cpu_seconds_total process=cpulive
metric_near "cpu: its voluntary switches" "$(truth voluntary)" 0 20 sonde_cpu_context_switches_total process=cpulive kind=voluntary
metric_near "cpu: its threads" 700 0 0 sonde_cpu_threads process=cpulive

# a counter of processes that come and go never falls
before=$(metric sonde_cpu_seconds_total process=cpuuse)
kill "$(truth pid)"
"$WORK/cpuuse" use 8 >"$WORK/truth"
grown() { awk -v a="$before" -v b="$(metric sonde_cpu_seconds_total process=cpuuse)" 'BEGIN { exit !(b > a) }'; }
check "cpu: the sum goes on with new processes" wait_for 5 grown
# switched off and on, it goes on where the kernel's sums are
before=$(metric sonde_cpu_seconds_total process=cpuuse)
check "cpu: off" "$SONDE" items off cpu
check "cpu: on" "$SONDE" items on cpu
metric_near "cpu: off and on counts nothing twice" "$before" 1 0.01 sonde_cpu_seconds_total process=cpuuse

hertz=$(getconf CLK_TCK)
metric_near "cpu: the machine's idle time against /proc/stat" "$(awk -v hz="$hertz" '/^cpu /{ print $5 / hz }' /proc/stat)" 1 2 sonde_cpu_host_seconds_total mode=idle
metric_near "cpu: forks against /proc/stat" "$(awk '/^processes/{ print $2 }' /proc/stat)" 1 200 sonde_cpu_forks_total
equal "cpu: load averages" 3 "$(get /metrics | grep -c '^sonde_cpu_load{')"
nothing_lost cpu
