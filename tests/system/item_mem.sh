#!/bin/sh
# mem against wait4() and getrusage() (faults), smaps_rollup (resident pages, counted in the page tables) and /proc.
. "$(dirname "$0")/../items/items.sh"
start_agent
worker memuse
"$WORK/memuse" use 80 >"$WORK/truth"
metric_near "mem: minor faults of 81 short processes against wait4" "$(truth minor)" 0.1 5 sonde_mem_page_faults_total process=memuse kind=minor
metric_near "mem: major faults" "$(truth major)" 0 1 sonde_mem_page_faults_total process=memuse kind=major
worker memlive
"$WORK/memlive" memory 10 >"$WORK/truth"
metric_near "mem: resident bytes against the page tables" "$(calc "$(truth resident_kib) * 1024")" 0 65536 sonde_mem_resident_bytes process=memlive
metric_near "mem: anonymous bytes against the page tables" "$(calc "$(truth anon_kib) * 1024")" 0 65536 sonde_mem_resident_bytes process=memlive kind=anon
metric_near "mem: shared memory, 8 times 1.5 MiB" 12582912 0 0 sonde_mem_resident_bytes process=memlive kind=shmem
metric_near "mem: address space" "$(calc "$(truth virtual_kib) * 1024")" 0 65536 sonde_mem_virtual_bytes process=memlive
kill "$(truth pid)"
is_gone() { [ "$(metric sonde_mem_resident_bytes process=memlive)" = 0 ]; }
check "mem: gone with the process" wait_for 5 is_gone
metric_near "mem: the machine's memory against /proc/meminfo" "$(awk '/^MemTotal/{ print $2 * 1024 }' /proc/meminfo)" 0 0 sonde_mem_host_bytes kind=total
metric_near "mem: the machine's faults against /proc/vmstat" "$(awk '/^pgfault/{ print $2 }' /proc/vmstat)" 2 100000 sonde_mem_host_page_faults_total
nothing_lost mem
