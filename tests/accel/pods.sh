#!/bin/sh
# pods.sh - acceleration between pods' applications and sidecars (rig/pods.sh): every body is right and redirected, tracked
# connections do not expire, packet filters are obeyed, nothing is left when the item is off.
. "$(dirname "$0")/lib.sh"
rig_dir=$accel_dir/rig RIG=$WORK/rig
. "$rig_dir/pods.sh"
rig_build || { not_ok "the rig builds"; exit 1; }
cp "$(command -v haproxy)" "$RIG/haproxy"
pods_up && servers_up || { not_ok "pods"; exit 1; }
at_end sidecars_down
RIG_POLICY="items.accel.policy=[{select: \"exe ~ \\\"^$RIG/\\\"\", trust: true}]"
with_pods="items.accel.policy=[{select: \"exe ~ \\\"^$RIG/\\\"\", trust: true, pod_to_pod: true}]"
begin() { start_agent --set items.accel.on=true "$@"; refused=$("$SONDE" items --json | jq -r 'select(.name == "accel" and .state == "skipped") | .reason'); [ -z "$refused" ]; }

# Programs that were never seen are known from the next second on.
meet() { for pod in a d; do in_pod $pod "$RIG/push" read "$(pod_address c):8080" 0.1 >/dev/null 2>&1; in_pod $pod "$RIG/load" -n 1 -d 1 "$(pod_address c):8080" >/dev/null 2>&1; done; sleep 1.5; }
share() { get /metrics | awk -v process="$1" 'index($0, "process=\"" process "\"") { if ($0 ~ /^sonde_accel_bytes_total/) r += $NF; else if ($0 ~ /^sonde_accel_tcp_bytes_total/) t += $NF } END { printf "%.4f\n", r / (r + t + 1e-9) }'; }
loads() { # KIND
	for options in "-c 8 -n 500" "-k -c 4 -n 200" "-s 65536 -n 200" "-s 1000000 -c 4 -n 40" "-p 200000 -c 4 -n 60" "-p 900 -H 9000 -n 200" "-c 4 -r 300 -d 1" "-c 200 -n 1000"; do
		for to in b c; do
			check "$1: $options to $to" in_pod a "$RIG/load" -d 60 $options "$(pod_address $to):8080"
		done
	done
}
if [ "${PARTS:-bodies}" = bodies ] || [ "${PARTS#*bodies}" != "$PARTS" ]; then
	if begin --set "$RIG_POLICY"; then
		for kind in l4 haproxy; do
			sidecars_up $kind
			meet
			loads $kind
			sidecars_down
		done
		# one sends by TCP once in a while (keep-alive), and the last answer of who closes first may find nobody
		sleep 1.5
		for process in load relay server haproxy; do within "$process: share that was redirected" "$(share $process)" 0.9 1; done
		stop_agent
	else
		ok "accel is refused here: $refused"
		exit 0
	fi
fi

# A connection that REDIRECT has changed is lost when its entry expires: whoever writes first by TCP is not known any more.
tracked() { # KEEP_ALIVE_MS -> the reader's last word
	for pod in a b; do in_pod $pod sh -c 'echo 3 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established'; done
	begin --set "$RIG_POLICY" --set "items.accel.keep_alive_ms=$1" || return
	sidecars_up l4
	meet
	in_pod a "$RIG/push" read "$(pod_address b):8090" 12 >"$WORK/pushed" & reader=$!
	sleep 8
	"$SONDE" items off accel
	wait $reader; pushed=$?
	sidecars_down
	stop_agent
}
if [ "${PARTS:-conntrack}" = conntrack ] || [ "${PARTS#*conntrack}" != "$PARTS" ]; then
	become_in_pod b "$RIG/push" serve :8090 50 & at_end "kill $! 2>/dev/null"; until_listens b 8090
	tracked 1000
	equal "a tracked connection does not expire" 0 "$pushed"
	within "and all came" "$(tail -n 1 "$WORK/pushed")" 15000 30000
	tracked 100000000
	at_six=$(sed -n 60p "$WORK/pushed") at_end_of=$(grep -E '^[0-9]+$' "$WORK/pushed" | tail -n 1)
	check "(without messages by TCP it does: $at_six bytes, then $at_end_of)" test "$pushed" != 0 -o "$at_end_of" -lt 18000
	for pod in a b; do in_pod $pod sh -c 'echo 432000 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established'; done
fi

# pod to pod: a rule that drops stops what was redirected, within a second; without it again all goes on.
lines() { wc -l <"$WORK/pushed"; }
filtered() { # NAME ADD DELETE
	in_pod d "$RIG/push" read "$(pod_address c):8091" 40 >"$WORK/pushed" & reader=$!
	moves() { now=$(metric sonde_accel_bytes_total process=push); [ "${now:-0}" -gt "${before:-0}" ]; }
	before=$(metric sonde_accel_bytes_total process=push)
	check "$1: it is redirected before" wait_for 30 moves
	in_pod c sh -c "$2" || not_ok "$1: the rule is set"
	sleep 1.3
	stopped=$(tail -n 1 "$WORK/pushed")
	sleep 1.5
	equal "$1: what is dropped does not arrive" "$stopped" "$(tail -n 1 "$WORK/pushed")"
	within "$1: fallbacks are counted" "$(metric sonde_accel_fallbacks_total reason=filter)" 1 1000
	in_pod c sh -c "$3"
	arrives() { [ "$(tail -n 1 "$WORK/pushed")" -gt "$stopped" ]; }
	check "$1: without the rule it goes on" wait_for 20 arrives
	before=$(metric sonde_accel_bytes_total process=push)
	check "$1: and is redirected again" wait_for 30 moves
	kill $reader; wait $reader
	equal "$1: every byte is right" "" "$(grep -vE '^[0-9]+$' "$WORK/pushed")"
}
if [ "${PARTS:-filters}" = filters ] || [ "${PARTS#*filters}" != "$PARTS" ]; then
	become_in_pod c "$RIG/push" serve :8091 20 & at_end "kill $! 2>/dev/null"; until_listens c 8091
	begin --set "$with_pods"
	meet
	filtered nftables "nft add table ip stop; nft 'add chain ip stop out { type filter hook output priority 0; }'; nft add rule ip stop out tcp sport 8091 drop" "nft delete table ip stop"
	filtered "legacy iptables" "iptables-legacy -w -A OUTPUT -p tcp --sport 8091 -j DROP" "iptables-legacy -w -F OUTPUT"
	stop_agent
fi

# Off: idle connections leave the sockhash, too, whatever namespace they are in.
maps_left() { bpftool map show name socks 2>/dev/null | grep -c sockhash; }
if [ "${PARTS:-off}" = off ] || [ "${PARTS#*off}" != "$PARTS" ]; then
	before=$(maps_left)
	begin --set "$RIG_POLICY"
	sidecars_up l4
	meet
	in_pod a "$RIG/load" -c 100 -r 60 -d 8 "$(pod_address b):8080" >"$WORK/load" & load=$!
	open() { [ "$(metric sonde_accel_connections state=accelerated)" -ge 400 ]; }
	check "off: connections are open" wait_for 20 open
	sleep 2
	"$SONDE" items off accel
	none_left() { [ "$(maps_left)" = "$before" ]; }
	check "off: nothing is left in the sockhash" wait_for 5 none_left
	check "off: every connection goes on" wait $load
	sidecars_down
	stop_agent
fi
