#!/bin/sh
# accel.sh - what acceleration gives, in pods: network namespaces with veth and REDIRECT rules as Istio sets them
# (tests/accel/rig), a sidecar in each, off, on and with Unix-socket hops in turn.
#	bench/accel.sh [ROUNDS [SECONDS [PROXY...]]]		(PROXY: l4, haproxy)
# Rows: `both` (client - sidecar - sidecar - server), `client` (client - sidecar - server), and those that must not lose:
# connections that are closed after each request, one connection, bodies of 64 kB and 1 MB, an open loop, traffic without a
# sidecar. Every body is checked. CPU: of client, sidecars and servers, for each request. Each round runs every row in every state, in another order; printed are
# medians of the rounds' ratios. ROWS="both short": only those; STATES="off on": only those; COSTS=1: what programs and agent cost a request
# (with the kernel's statistics on, which cost 40 ns a run). Then the share that was redirected, and what 16,000 connections take of memory.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need haproxy gcc jq curl iptables ip setpriv
ROUNDS=${1:-9} EACH=${2:-2}
[ $# -ge 2 ] && shift 2 || set --
PROXIES=${*:-l4 haproxy}
RIG_PRIORITY=${RIG_PRIORITY-chrt -r 10} # what else runs disturbs less
rig_dir=$here/../tests/accel/rig RIG=$W/rig
. "$rig_dir/pods.sh"
rig_build || fail "the rig does not build"
ulimit -n 65536
cp "$(command -v haproxy)" "$RIG/haproxy" # (only ours are chosen)
pods_up || fail "no pods"
servers_up || fail "no servers"
at_end sidecars_down
agent_start_with_nothing_on --set "items.accel.policy=[{select: \"exe ~ \\\"^$RIG/\\\"\", trust: true}]" ${AGENT_MORE:-}

# row PROXY NAME STATE POD ADDRESS [OPTIONS OF load]
row() {
	proxy=$1 name=$2 state=$3 pod=$4 address=$5; shift 5
	case " ${ROWS:-$name} " in *" $name "*) ;; *) return ;; esac
	[ "${COSTS:-}" ] && costs_begin
	before=$(cpu_ns $servers $sidecars)
	in_pod $pod "$RIG/load" -d "$EACH" "$@" "$address" >"$W/load" || fail "$proxy $name $state: $(cat "$W/load")"
	after=$(cpu_ns $servers $sidecars)
	awk -v name="$proxy $name $state" -v cpu=$((after - before)) '{ print name, $8, $10, $12, (cpu / 1000 + $14) / $2 }' "$W/load" >>"$W/rows"
	[ "${COSTS:-}" ] && costs_end "$proxy $name $state" "$(awk '{ print $2 }' "$W/load")"
}
# What each program cost, and the agent, a request.
programs() { bpftool prog show -j | jq -r --argjson own "[$(broker_fds)]" '.[] | select(.name and .run_cnt and (.id as $id | $own | index($id))) | [.id, .name, .run_cnt, .run_time_ns] | @tsv'; }
broker_fds() { for p in $(agent_pids); do cat /proc/"$p"/fdinfo/* 2>/dev/null; done | awk '/^prog_id:/ { print $2 }' | sort -un | paste -sd,; }
costs_begin() { sysctl -q kernel.bpf_stats_enabled=1; programs >"$W/programs"; agent_ns=$(cpu_ns $(agent_pids)); }
costs_end() { # NAME REQUESTS
	agent_ns=$(($(cpu_ns $(agent_pids)) - agent_ns))
	programs | awk -v name="$1" -v n="$2" -v agent="$agent_ns" 'NR == FNR { runs[$1] = $3; ns[$1] = $4; next }
		{ r = $3 - runs[$1]; t = $4 - ns[$1]; if (r > n / 50) printf "  %s: %-16s %6.2f runs of %5.0f ns = %6.0f ns a request\n", name, $2, r / n, t / r, t / n }
		END { printf "  %s: agent %.2f us a request\n", name, agent / n / 1000 }' "$W/programs" -
	sysctl -q kernel.bpf_stats_enabled=0
}
rows() { # PROXY STATE
	both=$(pod_address b):8080 client=$(pod_address c):8080
	[ "$2" = unix ] && both=unix:$RIG/to_b client=unix:$RIG/to_c
	row "$1" both "$2" a "$both" -c 16
	row "$1" client "$2" a "$client" -c 16
	[ "$2" = unix ] && return
	row "$1" short "$2" a "$both" -c 16 -k
	row "$1" one "$2" a "$both" -c 1
	row "$1" 64k "$2" a "$both" -c 16 -s 65536
	row "$1" 1m "$2" a "$both" -c 16 -s 1000000
	row "$1" open "$2" a "$both" -c 16 -r "${RATE:-4000}"
	row "$1" without "$2" d "$client" -c 16
}
redirected() { scrape | awk '/^sonde_accel_(tcp_)?bytes_total/ { sub(/{.*/, "", $1); sum[$1] += $2 } END { r = sum["sonde_accel_bytes_total"]; t = sum["sonde_accel_tcp_bytes_total"]; printf "redirected: %.1f %% of %.0f MB\n", 100 * r / (r + t + 1e-9), (r + t) / 1e6 }'; }
state_is() { # off|on|unix: sidecars anew, so that no connection is older
	case $1 in on) "$SONDE" items on accel >/dev/null ;; *) "$SONDE" items off accel >/dev/null ;; esac || fail "cannot switch accel $1"
}

: >"$W/rows"
machine before
round=0
while [ $round -lt "$ROUNDS" ]; do
	case $((round % 3)) in 0) order="off on unix" ;; 1) order="on unix off" ;; *) order="unix off on" ;; esac
	for proxy in $PROXIES; do
		for state in $order; do
			case " ${STATES:-$state} " in *" $state "*) ;; *) continue ;; esac
			state_is $state
			with=; [ $state = unix ] && with=unix
			sidecars_up $proxy $with || fail "no sidecars"
			[ $state = on ] && { for pod in a d; do in_pod $pod "$RIG/load" -c 1 -d 0.2 "$(pod_address c):8080" >/dev/null; done; sleep 1.2; } # every program is known
			rows $proxy $state
			sidecars_down
			[ $state = on ] && redirected
		done
	done
	round=$((round + 1))
done
awk '{ k = $1 " " $2; n[k, $3]++; i = n[k, $3]; rate[k, $3, i] = $4; p50[k, $3, i] = $5; p99[k, $3, i] = $6; cpu[k, $3, i] = $7; if (!(k in known)) { known[k] = 1; names[++count] = k } }
	function median(a, m,   i, j, t) { for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t } return a[int((m + 1) / 2)] }
	function ratio(what, k, state,   i, m) { m = n[k, "off"]; for (i = 1; i <= m; i++) r[i] = (what == "rate" ? rate[k, state, i] / rate[k, "off", i] : what == "p50" ? p50[k, state, i] / p50[k, "off", i] : what == "p99" ? p99[k, state, i] / p99[k, "off", i] : cpu[k, state, i] / cpu[k, "off", i]); return median(r, m) }
	END { for (at = 1; at <= count; at++) { k = names[at]; m = n[k, "off"]; for (i = 1; i <= m; i++) { q[i] = rate[k, "off", i]; l[i] = p50[k, "off", i] }
		printf "%-16s off %8.0f/s %6.0f us", k, median(q, m), median(l, m)
		for (s = 1; s <= 2; s++) { state = s == 1 ? "on" : "unix"; if (n[k, state]) printf "   %s: QPS x%.2f, p50 %+.0f %%, p99 %+.0f %%, CPU %+.0f %%", state, ratio("rate", k, state), 100 * (ratio("p50", k, state) - 1), 100 * (ratio("p99", k, state) - 1), 100 * (ratio("cpu", k, state) - 1) }
		print "" } }' "$W/rows"
machine after
