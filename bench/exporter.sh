#!/bin/sh
# exporter.sh - what a scrape of 100,000 series of an ebpf_exporter configuration costs the agent.
#	bench/exporter.sh [SCRAPES [KEYS]]
# CPU of both processes (schedstat) over the scrapes, less what they use in the same time without any; the first scrape,
# which decodes the keys, stands apart. ebpf_exporter took 2.2 s and some 100 MB for the same number. Needs Linux 5.17
# (bpf_loop fills the map).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need clang jq curl
SCRAPES=${1:-10} KEYS=${2:-100000}
machine before
clang -target bpf -O2 -g -DKEYS="$KEYS" "-I/usr/include/$(gcc -print-multiarch)" -c "$here/exporter/series.bpf.c" -o "$W/series.bpf.o" || fail "cannot compile"
cp "$here/exporter/series.yaml" "$W/"
agent_start_with_nothing_on
pids=$(agent_pids)
empty=$(rss_kib $pids)
"$SONDE" items add "$W/series.yaml" && "$SONDE" items on series || fail "cannot switch it on"
cost() { # SCRAPES: ms of CPU each
	from=$(cpu_ns $pids)
	i=0; while [ $i -lt "$1" ]; do scrape >"$W/scraped"; i=$((i + 1)); done
	to=$(cpu_ns $pids)
	awk -v a="$from" -v b="$to" -v n="$1" 'BEGIN { printf "%.1f", (b - a) / n / 1e6 }'
}
first=$(cost 1)
[ "$(grep -c '^ebpf_exporter_series_total{' "$W/scraped")" = "$KEYS" ] || fail "not $KEYS series: $(grep -c ebpf_exporter_series_total "$W/scraped")"
# a crowd of scrapes shares an answer: one a second is a fresh one
each=0 n=0
while [ $n -lt "$SCRAPES" ]; do
	sleep 1.1
	each=$(awk -v sum="$each" -v one="$(cost 1)" 'BEGIN { print sum + one }')
	n=$((n + 1))
done
echo "$KEYS series, $(wc -c <"$W/scraped") bytes: first scrape $first ms of CPU, then $(awk -v s="$each" -v n="$SCRAPES" 'BEGIN { printf "%.1f", s / n }') ms each (limit 100); memory $(($(rss_kib $pids) - empty)) KiB more"
machine after
