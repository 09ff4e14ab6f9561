#!/bin/sh
# Configurations of ebpf_exporter, unmodified: the same series with the same values, and one that is broken harms nobody.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)/exporter
configs=$WORK/configs
mkdir "$configs"
for name in decoders buckets hooks; do
	clang -target bpf -O2 -g -Wall -D__TARGET_ARCH_x86 -I"$here" "-I/usr/include/$(gcc -print-multiarch)" -c "$here/$name.bpf.c" -o "$configs/$name.bpf.o" || exit 1
	cp "$here/$name.yaml" "$configs/"
done
series() { get /metrics | grep -F "ebpf_exporter_$1" | grep -v '^#'; }
has() { get /metrics | grep -qxF "ebpf_exporter_$1"; }

# what is wrong is said with file, line and what to do, before anything runs
mkdir "$WORK/broken"
cp "$configs/buckets.bpf.o" "$WORK/broken/nomap.bpf.o"
printf 'metrics:\n  counters:\n    - name: no_such_map\n      help: x\n' >"$WORK/broken/nomap.yaml"
cp "$configs/buckets.bpf.o" "$WORK/broken/size.bpf.o"
printf 'metrics:\n  counters:\n    - name: recent_total\n      help: x\n      labels:\n        - {name: kind, size: 8, decoders: [{name: uint}]}\n' >"$WORK/broken/size.yaml"
cp "$configs/buckets.bpf.o" "$WORK/broken/decoder.bpf.o"
printf 'metrics:\n  counters:\n    - name: recent_total\n      help: x\n      labels:\n        - name: kind\n          size: 4\n          decoders:\n            - name: unit\n' >"$WORK/broken/decoder.yaml"
echo junk >"$WORK/broken/junk.bpf.o"
printf 'metrics: {counters: [{name: a, help: b}]}\n' >"$WORK/broken/junk.yaml"
printf 'metrics: [\n' >"$WORK/broken/yaml.yaml"
cp "$configs/buckets.bpf.o" "$WORK/broken/yaml.bpf.o"
"$SONDE" items check "$WORK/broken" >"$WORK/said" 2>&1
equal "check: a folder with mistakes fails" 1 $?
check "check: a map that is not there" grep -q "nomap.yaml:3: there is no map 'no_such_map' in nomap.bpf.o; " "$WORK/said"
check "check: a key of another size" grep -q "size.yaml:3: the labels of 'recent_total' take 8 bytes, the key of its map has 4; correct" "$WORK/said"
check "check: an unknown decoder" grep -q "decoder.yaml:9: there is no decoder 'unit'; see docs" "$WORK/said"
check "check: an object that is none" grep -q "junk.bpf.o cannot be opened as a BPF object" "$WORK/said"
check "check: YAML that is none" grep -q "yaml.yaml:[0-9]*: not YAML" "$WORK/said"
equal "check: good ones are explained" 0 "$("$SONDE" items check "$configs" >"$WORK/good" 2>&1; echo $?)"
check "check: what the format does not have is told" grep -q "'nonsense' is not part of the format" "$WORK/good"

cp "$configs/buckets.yaml" "$configs/buckets.bpf.o" "$WORK/broken/"
start_agent --set "items_dir=$WORK/broken" --set items.buckets.on=true
check "items_dir: the broken ones are left out, each with its reason" test "$(grep -c 'is left out' "$WORK/agent.log")" = 5
equal "items_dir: the good one runs" on "$("$SONDE" items --json | jq -r 'select(.name == "buckets").state')"

has 'exp2_seconds_bucket{disk="sda",le="8e-06"} 7' && has 'exp2_seconds_bucket{disk="sda",le="+Inf"} 7' && has 'exp2_seconds_sum{disk="sda"} 4.1e-05'
equal "histogram exp2: cumulative, the sum apart, the rest not" 0 $?
has 'exp2zero_bytes_bucket{le="0"} 3' && has 'exp2zero_bytes_bucket{le="2048"} 7'
equal "histogram exp2zero" 0 $?
has 'linear_things_bucket{le="0"} 1' && has 'linear_things_bucket{le="3"} 4' && has 'linear_things_sum 5'
equal "histogram linear" 0 $?
has 'fixed_seconds_bucket{le="0.05"} 3' && has 'fixed_seconds_sum 0.777' && has 'fixed_seconds_count 3'
equal "histogram fixed" 0 $?
equal "each CPU by itself" 9 "$(metric ebpf_exporter_each_total kind=1)"
equal "as many series as CPUs" "$(getconf _NPROCESSORS_CONF)" "$(series 'lone_total{' | wc -l)"
equal "all CPUs together" 11 "$(metric ebpf_exporter_summed_total)"
equal "histograms of each CPU" 6 "$(metric ebpf_exporter_each_seconds_count)"

# every decoder
"$SONDE" items add "$configs/decoders.yaml" && "$SONDE" items on decoders
equal "decoders: added and on" 0 $?
has 'numbers_total{eight="18446744073709551615",four="4294967295",one="255",two="65535"} 1'
equal "uint of every size, with padding" 0 $?
has 'names_total{device="unknown:4095:255",domain="www.example",errno="EPIPE",interface="lo",ip4="192.0.2.7",ip6="2001:db8::1",mapped="10.0.0.1",raw="dead000f",syscall="exit_group",text="a\"b\\c"} 5'
equal "errno, syscall, majorminor, ifname, inet_ip, string, hex, dname" 0 $?
has 'mapped_total{op="read"} 1' && has 'mapped_total{op="unknown:2"} 2' && has 'mapped_total{op="yes"} 3'
equal "static_map" 0 $?
equal "regexp: what does not match is left out" "1 2" "$(series 'words_total{' | sort | awk '{print $2}' | paste -sd' ')"
has 'groups_total{disk="sda"} 3'
equal "regexp: one group, equal labels are one sum" 0 $?
has 'symbols_total{exact="vfs_read",none="unknown_addr:0x11",stack="vfs_read\nvfs_write"} 1'
equal "ksym, kstack, kaddrs" 0 $?
has 'plain_total 12345678'
equal "no labels" 0 $?
has 'level{op="read"} -5'
equal "a gauge below 0; static_map through an alias" 0 $?
equal "pci" 1 "$(metric ebpf_exporter_pci_total)"
group=$(sed -n 's/^0:://p' "/proc/$("$SONDE" status --json | jq .worker.pid)/cgroup")
mount=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
path=$mount${group%/}
has "cgroups_total{cgroup=\"$path\"} 1" && has 'cgroups_total{cgroup="unknown_cgroup_id:4242424242"} 1'
equal "cgroup" 0 $?
"$SONDE" items on decoders exact=true
check "exact: numbers as Go writes them" wait_for 20 has 'plain_total 1.2345678e+07'
case $(uname -m) in x86_64) equal "exact: system calls as ebpf_exporter has them" 5 "$(metric ebpf_exporter_names_total syscall=exit)" ;; esac
"$SONDE" items on decoders exact=false
check "and back" wait_for 20 has 'plain_total 12345678'
equal "a name of the machine again, counters went on" 5 "$(metric ebpf_exporter_names_total syscall=exit_group)"

# JSON, filters, the page's rows
equal "rows are records" 3 "$(get '/v1/records/decoders?filter=op%20=%20yes' | jq '.records[0].value')"
equal "histograms in rows" 7 "$(get '/v1/records/buckets?filter=disk%20=%20sda' | jq '.records[0].count')"
equal "items show tells the configuration" ebpf_exporter "$(get /v1/items/decoders | jq -r .form.form)"

# hooks, perf buffers, spans, control groups
[ -d "$mount" ] && mkdir "$mount/sonde-test-chosen-$$" && at_end "rmdir $mount/sonde-test-chosen-$$"
"$SONDE" items add "$configs/hooks.bpf.o" && "$SONDE" items on hooks
equal "hooks: added by its object" 0 $?
get '/v1/stream?item=hooks' >"$WORK/stream" &
at_end "kill $! 2>/dev/null"
check "a stream is open" wait_for 20 sh -c "test -s $WORK/stream || sleep 0.2"
cat >"$WORK/ask.py" <<'PY'
import ctypes, sys
libc = ctypes.CDLL(None)
for i in range(int(sys.argv[1])): libc.getpgid(777777)
PY
python3 "$WORK/ask.py" 40
sh -c "echo \$\$ >$mount/sonde-test-chosen-$$/cgroup.procs && exec python3 $WORK/ask.py 10"
equal "tracepoint: counted exactly" 50 "$(metric ebpf_exporter_hits_total hook=tracepoint)"
equal "perf_event_array: each event counted, what follows its labels cut off" 50 "$(metric ebpf_exporter_sent_total what=3)"
check "raw_tp" test "$(metric ebpf_exporter_hits_total hook=raw_tracepoint)" -gt 50
sampled() { [ "$(metric ebpf_exporter_hits_total hook=perf_event)" -gt 0 ]; }
check "perf_event/type=1,config=0,frequency=99" wait_for 20 sampled
curl -s -o /dev/null http://127.0.0.1:9/
check "xdp/lo" test "$(metric ebpf_exporter_hits_total hook=xdp)" -gt 0
equal "a program that can't be attached is left out" 0 "$(metric ebpf_exporter_hits_total hook=kprobe)"
equal "and its reason is told" 1 "$(get /v1/items/hooks | jq '[.hooks[] | select(.hook == "never" and .reason != null)] | length')"
equal "SEC(\"?...\") is not attached" 0 "$(metric ebpf_exporter_hits_total hook=unasked)"
equal "cgroup_id_map: only the chosen group" 10 "$(metric ebpf_exporter_matched_total cgroup="$mount/sonde-test-chosen-$$")"
spans() { [ "$(grep -c '"kind":"span"' "$WORK/stream")" -ge 50 ]; }
check "spans are records on the stream" wait_for 20 spans
grep -m1 '^data:.*"kind":"span"' "$WORK/stream" | sed 's/^data: //' >"$WORK/span"
equal "a span's own columns" "pgid call ab000000000000000000000000000001 1234 777777" "$(jq -r '[.service, .name, .trace_id, .duration_ns, .asked] | join(" ")' "$WORK/span")"
check "a span without an id gets one" sh -c "jq -re .span_id $WORK/span | grep -qx '[0-9a-f]\{16\}'"

# off and on: counters go on; upgrade and removal
"$SONDE" items off hooks && "$SONDE" items on hooks
equal "off and on: the counter goes on" 50 "$(metric ebpf_exporter_hits_total hook=tracepoint)"
sed 's/Times that each program ran/Changed/' "$configs/hooks.yaml" >"$WORK/hooks.yaml" && cp "$configs/hooks.bpf.o" "$WORK/hooks.bpf.o"
check "upgrade" "$SONDE" items upgrade hooks "$WORK/hooks.yaml"
python3 "$WORK/ask.py" 5
equal "upgraded: the counter goes on" 55 "$(metric ebpf_exporter_hits_total hook=tracepoint)"
check "upgraded: the new text serves" sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | grep -q 'HELP ebpf_exporter_hits_total Changed'"
equal "perf events go on too" 55 "$(metric ebpf_exporter_sent_total what=3)"
stop_agent
start_agent --set items.hooks.on=true
equal "it is there after a restart" on "$("$SONDE" items --json | jq -r 'select(.name == "hooks").state')"
check "removed" "$SONDE" items remove hooks
equal "and its series are gone" "" "$(series hits_total)"
