#!/bin/sh
# runqlat against /proc/PID/schedstat: the kernel's own sum of waits and number of runs.
. "$(dirname "$0")/../items/items.sh"
start_agent
worker rqburn
"$WORK/rqburn" burn 2 6 >"$WORK/truth"
metric_near "runqlat: seconds waited against schedstat" "$(calc "$(truth wait_ns) / 1e9")" 4 0.02 sonde_runqlat_seconds_sum process=rqburn
metric_near "runqlat: number of waits against schedstat" "$(truth waits)" 4 30 sonde_runqlat_seconds_count process=rqburn
"$WORK/work" storm 1920 3
keys_live runqlat waiting
nothing_lost runqlat
