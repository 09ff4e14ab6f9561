#!/bin/sh
# cluster.sh - acceleration under Kubernetes: pods are chosen by their labels, live; a NetworkPolicy that changes sends what goes between
# pods back to TCP; a CNI that enforces policies forbids it. The API server is kube.py, which keeps Kubernetes' rules.
. "$(dirname "$0")/lib.sh"
rig_dir=$accel_dir/rig RIG=$WORK/rig
. "$rig_dir/pods.sh"
rig_build && pods_up || { not_ok "pods"; exit 1; }
hierarchy=/sys/fs/cgroup/pids
[ -e $hierarchy/cgroup.procs ] || hierarchy=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
pods_root=$hierarchy/sonde-test-$$/kubepods
id=$(printf '%064x' $$)
web=11111111-2222-3333-4444-$(printf '%012x' $$) db=99999999-2222-3333-4444-$(printf '%012x' $$)
mkdir -p "$pods_root/pod$web/$id" "$pods_root/pod$db/$id"
gone() { for folder in "$pods_root"/pod*/* "$pods_root"/pod* "$pods_root" "${pods_root%/*}"; do [ -d "$folder" ] && { wait_for 10 rmdir "$folder"; }; done; }
at_end gone
# become_pod UID NETNS COMMAND...: (for `&`: the process is the program itself)
become_pod() { echo "$(exec sh -c 'echo $PPID')" >"$pods_root/pod$1/$id/cgroup.procs"; shift; become_in_pod "$@"; }

mkfifo "$WORK/commands"
python3 "$accel_dir/kube.py" "$WORK/port" <"$WORK/commands" 2>"$WORK/faults" & at_end "kill $! 2>/dev/null"
exec 5>"$WORK/commands"
say() { echo "$*" >&5; }
wait_for 30 test -s "$WORK/port" || { not_ok "the API server starts"; exit 1; }
say "pod $web web-1 shop app=idle tier=front"
say "pod $db db-1 shop app=db joined=yes-please"
begin() { # POD_TO_POD
	start_agent --set items.accel.on=true --set "kubernetes.api=http://127.0.0.1:$(cat "$WORK/port")" --set node=n \
		--set "items.accel.policy=[{labels: {app: web, tier: [front, back]}, trust: true}, {labels: {app: [web, db], joined: yes-please}, trust: true, pod_to_pod: $1}]"
	refused=$("$SONDE" items --json | jq -r 'select(.name == "accel" and .state == "skipped") | .reason'); [ -z "$refused" ]
}
bytes() { metric "sonde_accel_$1" process=push; }
moves() { now=$(bytes bytes_total); [ "${now:-0}" -gt "${before:-0}" ]; }
stays() { was=$(bytes bytes_total); sleep 0.5; [ "$(bytes bytes_total)" = "$was" ]; }
state() { "$SONDE" accel state | grep -q "$1"; }
joined() { [ "$(metric sonde_accel_between_pods)" = "$1" ]; }

# ---- labels ----
begin true || { ok "accel is refused here: $refused"; exit 0; }
become_pod "$web" c "$RIG/push" serve 127.0.0.1:8092 10 & at_end "kill $! 2>/dev/null"; until_listens c 8092
reads() { (become_pod "$web" c "$RIG/push" read 127.0.0.1:8092 "$1" >"$WORK/pushed"); }
reads 2; reads 1
equal "a pod without the label is left alone" 0 "$(bytes bytes_total)"
say "pod $web web-1 shop app=web tier=front"
since=$(date +%s%N)
taken() { reads 0.3; moves; }
before=0; check "a label that changed chooses it" wait_for 30 taken
echo "# $((($(date +%s%N) - since) / 1000000)) ms after the change a connection of 0.3 s had ended that was redirected"
become_pod "$web" c "$RIG/push" read 127.0.0.1:8092 120 >"$WORK/pushed" & reader=$!
before=$(bytes bytes_total); check "an open connection is redirected" wait_for 30 moves
say "pod $web web-1 shop app=web tier=none"
check "and goes by TCP when the label is taken away" wait_for 30 stays
arrived=$(tail -n 1 "$WORK/pushed"); arrives() { [ "$(tail -n 1 "$WORK/pushed")" -gt "$arrived" ]; }
check "where it goes on" wait_for 30 arrives
say "pod $web web-1 shop app=web tier=back"
before=$(bytes bytes_total); check "and comes back with another value that is named" wait_for 30 moves
kill $reader; wait $reader
equal "every byte is right" "" "$(grep -vE '^[0-9]+$' "$WORK/pushed")"

# ---- network policies ----
say "pod $web web-1 shop app=web joined=yes-please"
become_pod "$db" c "$RIG/push" serve :8093 10 & at_end "kill $! 2>/dev/null"; until_listens c 8093
check "network policies are watched" wait_for 60 joined 1
# (who was never seen is known from the next second on)
join() {
	(become_pod "$web" d "$RIG/push" read "$(pod_address c):8093" 0.2 >/dev/null); sleep 1.2
	become_pod "$web" d "$RIG/push" read "$(pod_address c):8093" 300 >"$WORK/pushed" & reader=$!
}
join
before=$(bytes bytes_total); check "pods that a rule joins are redirected" wait_for 60 moves
filtered=$(metric sonde_accel_fallbacks_total reason=filter)
say "policy deny-all"
since=$(date +%s%N)
falls() { [ "$(metric sonde_accel_fallbacks_total reason=filter)" -gt "$filtered" ]; }
check "a NetworkPolicy sends them back to TCP" wait_for 30 falls
echo "# $((($(date +%s%N) - since) / 1000000)) ms after it was made"
before=$(bytes bytes_total); check "until what is dropped would have been dropped" wait_for 60 moves
filtered=$(metric sonde_accel_fallbacks_total reason=filter)
say "drop deny-all"
check "one that is deleted as well" wait_for 30 falls

# ---- a CNI that enforces them ----
cp "$(command -v sleep)" "$WORK/calico-node"
"$WORK/calico-node" 600 & cni=$!; at_end "kill $cni 2>/dev/null"
check "a CNI that enforces policies forbids it" wait_for 30 joined 0
check "and is named" state "refused: calico-node runs here"
check "what was redirected goes by TCP" wait_for 30 stays
kill $reader; wait $reader
equal "every byte was right" "" "$(grep -vE '^[0-9]+$' "$WORK/pushed")"
stop_agent
begin forced
check "unless it is forced" wait_for 60 joined 1
check "which is said" wait_for 30 state "on, forced beside calico-node"
join
before=0; check "then pods are redirected beside it" wait_for 60 moves
say forbid
check "but not when nobody tells of policies any more" wait_for 90 joined 0
check "which is said, too" state "nobody tells of their changes"
kill $reader; wait $reader
stop_agent
equal "the API server was asked rightly" "" "$(cat "$WORK/faults")"
