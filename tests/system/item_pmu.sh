#!/bin/sh
# pmu: why there are no counters where there are none; the same code with what the kernel counts itself, against wait4().
. "$(dirname "$0")/../items/items.sh"
start_agent --set 'items.pmu.batch=[nightly-*]'
"$SONDE" items on pmu >/dev/null 2>&1
reason=$(get /v1/items/pmu | jq -r '.reason // empty')
series() { get /metrics | grep -c '^sonde_pmu_'; }
if [ -n "$reason" ]; then
	check "pmu: says why it can't count ($reason)" expr "$reason" : ".*can't count here: .*"
	equal "pmu: and has no series that say 0" 0 "$(series)"
else
	ok "pmu: the processor's counters run"
fi
check "pmu: on, with what the kernel counts" "$SONDE" items on pmu software=true
worker pmuuse
"$WORK/pmuuse" use 24 >"$WORK/truth"
# (a process's way out is counted by neither alike: its last page faults, and what it takes to take it apart)
metric_near "pmu: time on a CPU against wait4" "$(calc "($(truth user_ns) + $(truth system_ns)) / 1e9")" 5 0.05 sonde_pmu_task_clock_seconds_total process=pmuuse
metric_near "pmu: page faults against wait4" "$(calc "$(truth minor) + $(truth major)")" 3 40 sonde_pmu_page_faults_total process=pmuuse
metric_near "pmu: switches against wait4" "$(calc "$(truth voluntary) + $(truth involuntary)")" 5 130 sonde_pmu_context_switches_total process=pmuuse
metric_near "pmu: no group ran for a part of the time only" "$(metric sonde_pmu_seconds_total process=pmuuse group=software time=wanted)" 0 0 sonde_pmu_seconds_total process=pmuuse group=software time=counted
if [ -n "$reason" ]; then
	equal "pmu: still no series of what can't be counted" 0 "$(get /metrics | grep -cE '^sonde_pmu_(cycles|instructions|llc|branch)')"
	equal "pmu: each group says what became of it" "branches caches cycles software" "$(get '/v1/records/pmu?limit=1000' | jq -r '.records[] | select(.kind == "group") | .group' | sort | paste -sd' ')"
	check "pmu: and why" test -n "$(get '/v1/records/pmu?limit=1000' | jq -r '.records[] | select(.group == "cycles") | .reason')"
fi
has_containers() { [ "$(get '/v1/records/pmu?limit=1000' | jq '[.records[] | select(.kind == "container" and .cpu_ns > 0)] | length')" -gt 0 ]; }
check "pmu: containers are judged" wait_for 40 has_containers
# another version of the programs: the counters are opened for it, and go on
before=$(metric sonde_pmu_task_clock_seconds_total process=pmuuse)
check "pmu: counted by container" "$SONDE" items on pmu by=container
"$SONDE" items on pmu by=process >/dev/null
"$WORK/pmuuse" use 20 >"$WORK/truth"
grown() { awk -v a="$before" -v b="$(metric sonde_pmu_task_clock_seconds_total process=pmuuse)" 'BEGIN { exit !(b > a) }'; }
check "pmu: goes on after a change" wait_for 30 grown
check "pmu: off" "$SONDE" items off pmu
before=$(metric sonde_pmu_task_clock_seconds_total process=pmuuse)
"$WORK/pmuuse" use 8 >"$WORK/truth"
equal "pmu: counts nothing when it is off" "$before" "$(metric sonde_pmu_task_clock_seconds_total process=pmuuse)"
