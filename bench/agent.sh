#!/bin/sh
# agent.sh - what the agent itself costs: start to first data, size of the binary, resident memory idle and with many
# connections, CPU idle.
#	bench/agent.sh [STARTS [IDLE_SECONDS [CONNECTIONS]]]
# Baselines of the same run: `sleep` started as often (what starting any process costs here), `prometheus-node-exporter`
# idle and scraped as often, where it is installed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need jq curl gcc
STARTS=${1:-7} IDLE=${2:-60} CONNECTIONS=${3:-100000}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " (" v[1] " .. " v[NR] ")" }'; }
machine before
echo "binary: $(stat -c %s "$SONDE") bytes, $(strip -o "$W/stripped" "$SONDE" && stat -c %s "$W/stripped") stripped; $(file -b "$SONDE" | grep -o 'static[^,]*' || echo dynamic)"

i=0
while [ $i -lt "$STARTS" ]; do
	from=$(date +%s%N)
	agent_start
	to=$(date +%s%N)
	"$SONDE" status --json | jq -r '.first_data_ns // empty' >>"$W/first"
	echo $(((to - from) / 1000000)) >>"$W/ready"
	cpu_ns $(agent_pids) >>"$W/start_cpu"
	agent_stop
	i=$((i + 1))
done
echo "from start to ready, as a script sees it: $(median <"$W/ready") ms"
echo "from start to first data, as the agent says: $(awk '{ print $1 / 1e6 }' "$W/first" | median) ms"
echo "CPU of both processes for it: $(awk '{ print $1 / 1e6 }' "$W/start_cpu" | median) ms"

agent_start
pids=$(agent_pids)
sleep 3
from=$(cpu_ns $pids); sleep "$IDLE"; to=$(cpu_ns $pids)
awk -v a="$from" -v b="$to" -v s="$IDLE" 'BEGIN { printf "idle, nobody asks: %.3f %% of a core (budget 0.2 %%)\n", (b - a) / s / 1e7 }'
from=$(cpu_ns $pids); i=0; while [ $i -lt 4 ]; do scrape >"$W/metrics"; sleep 5; i=$((i + 1)); done; to=$(cpu_ns $pids)
awk -v a="$from" -v b="$to" -v n="$(grep -vc '^#' "$W/metrics")" 'BEGIN { printf "scraped every 5 s (%d series): %.3f %% of a core\n", n, (b - a) / 20 / 1e7 }'
if command -v prometheus-node-exporter >/dev/null; then
	prometheus-node-exporter --web.listen-address=127.0.0.1:28473 2>/dev/null & other=$!
	at_end "kill $other"
	until curl -sf 127.0.0.1:28473/metrics >/dev/null; do kill -0 $other || break; sleep 0.1; done
	from=$(cpu_ns $other); i=0; while [ $i -lt 4 ]; do curl -s 127.0.0.1:28473/metrics >"$W/other"; sleep 5; i=$((i + 1)); done; to=$(cpu_ns $other)
	awk -v a="$from" -v b="$to" -v n="$(grep -vc '^#' "$W/other")" -v r="$(rss_kib $other)" 'BEGIN { printf "  node_exporter (%d series): %.3f %% of a core, %.1f MiB resident\n", n, (b - a) / 20 / 1e7, r / 1024 }'
fi
each() { for p in $pids; do printf '%s %.1f MiB  ' "$(cat /proc/"$p"/comm)" "$(rss_kib "$p" | awk '{ print $1 / 1024 }')"; done; }
echo "resident idle: $(rss_kib $pids | awk '{ printf "%.1f", $1 / 1024 }') MiB (budget 64): $(each)"

gcc -O1 -o "$W/tcp_case" "$here/../tests/system/tcp_case.c" || fail "tcp_case does not build"
made=0
while [ $made -lt "$CONNECTIONS" ]; do
	mkfifo "$W/in.$made"
	"$W/tcp_case" hold $((30000 - made / 10000)) 5000 <>"$W/in.$made" >"$W/out.$made" & # (<>: never at its end)
	at_end "kill $!"
	until grep -q held "$W/out.$made" 2>/dev/null; do kill -0 $! || fail "cannot hold $CONNECTIONS sockets here"; sleep 0.1; done
	made=$((made + 10000))
done
scrape >"$W/metrics"; sleep 2
from=$(cpu_ns $pids); scrape >"$W/metrics"; to=$(cpu_ns $pids)
counted=$(awk '/^sonde_tcp_connections.*state="established"/ && /process="tcp_case"/{ n += $NF } END { print n }' "$W/metrics")
echo "with $made sockets ($counted counted): resident $(rss_kib $pids | awk '{ printf "%.1f", $1 / 1024 }') MiB, maps $("$SONDE" self --json | jq '[.. | objects | select(.max_entries? and .bytes?) | .bytes] | add / 1048576 * 10 | floor / 10') MiB; a scrape costs $(((to - from) / 1000000)) ms of CPU"
machine after
