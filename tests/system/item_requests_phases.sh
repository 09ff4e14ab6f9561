#!/bin/sh
# requests: with 5 ms in the queue, 10 ms of processing and 10 ms of network each way, the phases are these, within 1 ms or 5 %.
. "$(dirname "$0")/../requests/lib.sh"
build phases
a=sonde-a-$$ b=sonde-b-$$
for ns in $a $b; do
	ip netns add $ns || exit 1
	at_end "ip netns del $ns"
	ip -n $ns tuntap add dev sonde0 mode tun
	ip -n $ns link set lo up
done
ip -n $a addr add 10.99.0.1 peer 10.99.0.2 dev sonde0
ip -n $b addr add 10.99.0.2 peer 10.99.0.1 dev sonde0
"$WORK/phases" delay $a $b 10000 "$WORK/network" &
at_end "kill $!"
sleep 0.3
for ns in $a $b; do ip -n $ns link set sonde0 up; done
"$WORK/phases" serve $b 10.99.0.2 8000 5000 10000 "$WORK/server" &
at_end "kill $!"
is_reached() { ip netns exec $a python3 -c 'import socket; socket.create_connection(("10.99.0.2", 8000), 2)'; }
wait_for 30 is_reached || { echo "not ok network: no way through"; exit 1; }
start_agent

# rate count connections depth: 1, 100 and 1000 requests a second, the last two also with pipelines of four
for case in "1 5 1 1" "100 300 4 1" "1000 3000 50 1" "100 320 4 4" "1000 3200 40 4"; do
	set -- $case
	name="$1 a second, depth $4"
	record_to "$WORK/records" "host = phase"
	"$WORK/phases" ask $a 10.99.0.2 8000 "$1" "$2" "$3" "$4" "p$1d$4" "$WORK/client"
	end_recording
	sleep 1.2 # the network's log is written once a second
	"$work/match_phases.py" "$WORK/records" "$WORK/network" "$WORK/server" "$WORK/client" "p$1d$4" >"$WORK/result"
	while read -r phase share worst count; do
		case $phase in
		seen) equal "$name: records of both ends" "$worst" "$share" ;;
		*) within "$name: $phase, share that is right of $count (worst off by $worst ms)" "$share" 99 100 ;;
		esac
	done <"$WORK/result"
done
