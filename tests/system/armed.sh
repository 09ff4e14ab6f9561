#!/bin/sh
# Armed items: asleep nothing runs; a real condition wakes them; what they collect until they sleep again is kept, with what woke them.
# LONG=1: memory pressure too.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
alone armed
cat >"$WORK/sleeper.bpf.c" <<'C'
#include "kernel/emit.bpf.h"
#include "kernel/filter.bpf.h"

ITEM("app", "off", "calls of getpgid with a number that is the test's");
ARMED("throttled > 20 and service = sonde-armed*", 3600, 2);
PARAM(bool, told, true, "records of calls, too");

struct key {
	struct owner owner;
	__u32 which COL("number");
	__u32 pad;
};
METRIC_COUNTER(sleeper, struct key, 1024, "help=calls");
struct call_event {
	struct event_head head;
	__u32 pid COL("pid");
	__u32 which COL("number");
};
EVENTS(256 * 1024);
EVENT(1, "call", struct call_event);
struct enter { struct trace_entry common; __s64 nr; __u64 arg[6]; };

HOOK("tp/syscalls/sys_enter_getpgid", enter, 1)
int enter(struct enter *ctx)
{
	struct key key = {.owner = owner_of_current(), .which = 777778};
	struct call_event *event;

	if (ctx->arg[0] != 777778)
		return 0;
	counter_add(&sleeper, &key, 1);
	event = told ? emit_reserve(1, sizeof(*event)) : 0;
	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->which = 777778;
	emit_submit(event);
	return 0;
}
C
cat >"$WORK/call.c" <<'C'
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) { for (long i = atol(argv[1]); i; i--) getpgid(777778); return 0; }
C
gcc -O2 -o "$WORK/call" "$WORK/call.c" || exit 1
clang -target bpf -O2 -g -Wall -D__TARGET_ARCH_x86 -I "$top/src" -I "/usr/include/$(gcc -print-multiarch)" -c "$WORK/sleeper.bpf.c" -o "$WORK/sleeper.bpf.o" || exit 1
cat >"$WORK/rules.yml" <<'Y'
groups:
  - name: test
    interval: 1s
    rules:
      - {alert: ArmedTestFires, expr: vector(1), labels: {severity: page}, annotations: {summary: a test}}
Y
start_agent --set 'alerts.defaults=false' --set "alerts.rules=[$WORK/rules.yml]"
"$SONDE" items add "$WORK/sleeper.bpf.o"
state() { get /v1/items/sleeper | jq -r '"\(.state) \(.armed.state) \(.armed.wakes)"'; }
is() { [ "$(state)" = "$1" ]; }
evidence() { get "/v1/records/evidence?source=recent&order=desc&limit=${1:-1}"; }
has_evidence() { [ "$(evidence 100 | jq '.records | length')" = "$1" ]; }

# a control group that a limit stops: of version 1 or 2
identity=/sys/fs/cgroup/pids
[ -d $identity ] || identity=/sys/fs/cgroup
cpu=/sys/fs/cgroup/cpu
[ -d $cpu ] || cpu=/sys/fs/cgroup
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
name=sonde-armed.service
mkdir -p $identity/$name $cpu/$name
at_end "rmdir $identity/$name $cpu/$name 2>/dev/null"
limit() { if [ -e $cpu/$name/cpu.max ]; then echo "10000 100000" >$cpu/$name/cpu.max; else echo 10000 >$cpu/$name/cpu.cfs_quota_us; fi; }
check "a control group can have a limit" limit
burn() {
	rm -f "$WORK/cool"
	sh -c "echo \$\$ >$identity/$name/cgroup.procs; echo \$\$ >$cpu/$name/cgroup.procs; until [ -e $WORK/cool ]; do i=0; while [ \$i -lt 2000 ]; do i=\$((i + 1)); done; done" &
	burner=$!
}
cool() { touch "$WORK/cool"; wait $burner; }

# ---- asleep
check "an item that names a condition is switched on" "$SONDE" items on sleeper
equal "and sleeps" "asleep asleep 0" "$(state)"
equal "its programs are loaded: their hook is chosen" "tp/syscalls/sys_enter_getpgid" "$(get /v1/items/sleeper | jq -r '.hooks[0].section')"
equal "it does not run" 0 "$(metric sonde_item_on item=sleeper)"
"$WORK/call" 1000
equal "what happens while it sleeps is not seen" 0 "$(metric sonde_sleeper_total)"
equal "a condition that asks for no sign is refused" 400 "$(curl -s -o /dev/null -w '%{http_code}' -X PATCH --unix-socket "$SONDE_SOCKET" -d '{"params":{"when":"container = x"}}' http://localhost/v1/items/sleeper)"
check "one of a column that is not there, too, and says what may be meant" sh -c "! '$SONDE' items on sleeper when='memory_presure > 3' 2>'$WORK/said' && grep -q memory_pressure '$WORK/said'"

# ---- throttling wakes it (times act at once: it is put to sleep when its calls are made, however slow this machine is)
burn
check "throttling wakes it" wait_for 60 is "on awake 1"
cool
"$WORK/call" 5000
check "its time is over" "$SONDE" items on sleeper awake=1s cooldown=1h
check "it sleeps again" wait_for 60 is "asleep cooling 1"
equal "each call while it was awake is counted" 5000 "$(metric sonde_sleeper_total)"
"$WORK/call" 300
check "there is one piece of evidence" wait_for 60 has_evidence 1
evidence >"$WORK/evidence"
# of VALUE JQ NAME
of() { equal "the evidence: $3" "$1" "$(jq -r ".records[0] | $2" "$WORK/evidence")"; }
of sleeper .watched "of which item"
of "throttled > 20 and service = sonde-armed*" .condition "what was waited for"
of "true group sonde-armed" '"\(.cause.throttled > 20) \(.cause.sign) \(.cause.service)"' "the sign that woke it"
of sonde-armed .service "whom it is about"
of 5000 '[.rows[].sleeper] | add' "the rows add up"
of 5000 .record_count "all records were seen"
of true '(.records | length) > 10' "and the first of them are in it"
of true '(.duration_ns > 0 and .duration_ns < 600000000000)' "how long it was awake"
check "sonde evidence lists it" sh -c "'$SONDE' evidence | grep -q 'throttled > 20'"
check "sonde evidence NAME shows it" sh -c "'$SONDE' evidence '$(jq -r '.records[0].evidence' "$WORK/evidence")' | grep -q 'throttled'"
# ---- the cooldown is over
"$SONDE" items on sleeper awake=1h cooldown=1s
burn
check "it wakes again when the cooldown is over" wait_for 60 is "on awake 2"
cool
"$WORK/call" 70
check "another version while it is awake" "$SONDE" items upgrade sleeper "$WORK/sleeper.bpf.o"
"$WORK/call" 7
"$SONDE" items on sleeper awake=1s cooldown=1h
check "it sleeps again, a second time" wait_for 60 is "asleep cooling 2"
equal "its counter went on" 5077 "$(metric sonde_sleeper_total)"
check "a parameter is changed in its sleep" "$SONDE" items on sleeper told=false
check "and another version takes its place" "$SONDE" items upgrade sleeper "$WORK/sleeper.bpf.o"
equal "its counter stands while it sleeps" 5077 "$(metric sonde_sleeper_total)"

# ---- an alert; switched off while it is awake
check "an alert is waited for" "$SONDE" items on sleeper "when=alert = ArmedTestFires and severity = page" cooldown=1s awake=1h
check "the alert wakes it" wait_for 60 is "on awake 3"
"$WORK/call" 11
equal "as many as happened" 5088 "$(metric sonde_sleeper_total)"
check "switched off while it is awake" "$SONDE" items off sleeper
check "what it had is kept" wait_for 60 has_evidence 3
equal "with the alert" "ArmedTestFires a test 11 0" "$(evidence | jq -r '.records[0] | "\(.cause.alert) \(.cause.summary) \([.rows[].sleeper] | add) \(.record_count)"')"
# ---- who watches it wakes it; an agent that ends keeps what is being collected
check "on again" "$SONDE" items on sleeper
check "awake again" wait_for 60 is "on awake 4"
stop_agent
start_agent --set 'alerts.on=false'
check "the end of the agent loses no evidence" wait_for 30 has_evidence 4
check "sonde sleeper needs no condition" sh -c "timeout 60 '$SONDE' sleeper -d 1 >/dev/null"

# ---- every other item, by the configuration; memory that is short
[ -n "${LONG:-}" ] || exit 0
memory=/sys/fs/cgroup/memory
[ -d $memory ] || { memory=/sys/fs/cgroup; echo +memory >/sys/fs/cgroup/cgroup.subtree_control; }
mkdir -p $memory/sonde-short.service
at_end "rmdir $memory/sonde-short.service 2>/dev/null"
echo 16M >$memory/sonde-short.service/memory.max 2>/dev/null || echo 16M >$memory/sonde-short.service/memory.limit_in_bytes
check "runqlat is armed with memory pressure" "$SONDE" items on runqlat 'when=memory_pressure > 5' awake=2s
equal "and sleeps" asleep "$(get /v1/items/runqlat | jq -r .state)"
dd if=/dev/zero of="$WORK/big" bs=1M count=64 2>/dev/null
sh -c "echo \$\$ >$memory/sonde-short.service/cgroup.procs; until [ -e $WORK/enough ]; do cat $WORK/big $WORK/big $WORK/big >/dev/null; done" &
reader=$!
runqlat_woke() { [ "$(metric sonde_item_wakes_total item=runqlat)" -ge 1 ]; }
check "memory pressure wakes it" wait_for 60 runqlat_woke
touch "$WORK/enough"; wait $reader
check "its evidence names the pressure" wait_for 60 sh -c "curl -s --unix-socket '$SONDE_SOCKET' 'http://localhost/v1/records/evidence?source=recent&order=desc&limit=1' | jq -e '.records[0] | .watched == \"runqlat\" and .cause.memory_pressure > 5'"
