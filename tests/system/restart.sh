#!/bin/sh
# `pin`: an item's programs go on counting while no agent is there, and the next agent takes them up.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
configs=$WORK/configs
mkdir "$configs"
cat >"$configs/asked.bpf.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } asked_total SEC(".maps");
struct enter { __u64 common; long nr; __u64 arg[6]; };
SEC("tracepoint/syscalls/sys_enter_getpgid")
int enter(struct enter *ctx)
{
	__u32 key = ctx->arg[0];
	__u64 zero = 0, *value;

	if (key != 777778)
		return 0;
	bpf_map_update_elem(&asked_total, &key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&asked_total, &key);
	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
C
clang -target bpf -O2 -g -Wall "-I/usr/include/$(gcc -print-multiarch)" -c "$configs/asked.bpf.c" -o "$configs/asked.bpf.o" || exit 1
printf 'metrics: {counters: [{name: asked_total, help: Calls, labels: [{name: number, size: 4, decoders: [{name: uint}]}]}]}\n' >"$configs/asked.yaml"
ask() { python3 -c "
import ctypes
libc = ctypes.CDLL(None)
for i in range($1): libc.getpgid(777778)"; }
alone restart
pins() { ls /sys/fs/bpf/sonde-*/????????_* 2>/dev/null | wc -l; }
start() { start_agent --set "items_dir=$configs" --set items.asked.on=true --set "items.asked.pin=$1"; }

before=$(pins)
start true
equal "it is on" on "$("$SONDE" items --json | jq -r 'select(.name == "asked").state')"
check "programs and maps are pinned" test "$(pins)" -gt "$before"
ask 100
equal "counted" 100 "$(metric ebpf_exporter_asked_total)"
kill -9 "$(pgrep -P "$agent_pid" | head -n 1)" "$agent_pid" 2>/dev/null; wait "$agent_pid" 2>/dev/null
ask 50
start true
equal "killed: what happened without an agent is counted too" 150 "$(metric ebpf_exporter_asked_total)"
ask 10
equal "and goes on, each once" 160 "$(metric ebpf_exporter_asked_total)"
stop_agent
ask 5
start true
equal "stopped: the same" 165 "$(metric ebpf_exporter_asked_total)"
"$SONDE" items off asked
equal "off: nothing stays" "$before" "$(pins)"
ask 7
"$SONDE" items on asked
ask 3
equal "on again: what happened while it was off is not counted" 168 "$(metric ebpf_exporter_asked_total)"
stop_agent
start false
equal "without the option nothing stays of what was kept" "$before" "$(pins)"
equal "and it begins anew" "" "$(get /metrics | grep '^ebpf_exporter_asked_total')"
stop_agent

# an item of ours, through a ring and several hooks
start_agent --set items.runqlat.pin=true
waits() { metric sonde_runqlat_seconds_count; }
first=$(waits)
stop_agent
start_agent --set items.runqlat.pin=true
check "an item of ours goes on where it was" test "$(waits)" -gt "$first"
"$SONDE" items off runqlat
equal "off: nothing stays" "$before" "$(pins)"
