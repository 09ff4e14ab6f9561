#!/bin/sh
# nic against /sys/class/net of a namespace of its own, after a transfer of known length.
. "$(dirname "$0")/../items/items.sh"
space=sonde-nic-$$
ip netns add "$space" || { echo "not ok nic: no network namespace"; exit 1; }
at_end "ip netns del $space; ip link del nicA$$"
ip link add "nicA$$" type veth peer name nicB netns "$space"
# (a network of its own, of those for tests of networks: RFC 2544)
network=198.18.$(($$ / 64 % 256)).$(($$ % 64 * 4))
ours=${network%.*}.$((${network##*.} + 1)) theirs=${network%.*}.$((${network##*.} + 2))
# (IPv6 would send packets of its own at any time)
sysctl -q -w "net.ipv6.conf.nicA$$.disable_ipv6=1"; ip netns exec "$space" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
ip addr add $ours/30 dev "nicA$$" && ip link set "nicA$$" up
ip -n "$space" addr add $theirs/30 dev nicB && ip -n "$space" link set nicB up && ip -n "$space" link set lo up
ip netns exec "$space" socat -u TCP-LISTEN:9009,reuseaddr OPEN:/dev/null & listener=$!
start_agent
connected() { dd if=/dev/zero bs=65536 count=64 2>/dev/null | socat -u - TCP:$theirs:9009,connect-timeout=5; }
at_end "kill $listener"
wait_for 20 connected || { not_ok "nic: no connection"; exit 1; }
wait "$listener"
ip netns exec "$space" sleep 30 & # a process must be there for the namespace to be seen
at_end "kill $!"
inside() { ip netns exec "$space" cat "/sys/class/net/nicB/statistics/$1"; }
check "nic: four MiB came in" test "$(inside rx_bytes)" -ge 4194304
metric_near "nic: bytes received in the namespace" "$(inside rx_bytes)" 0 500 sonde_nic_bytes_total interface=nicB direction=inbound
metric_near "nic: packets sent in the namespace" "$(inside tx_packets)" 0 5 sonde_nic_packets_total interface=nicB direction=outbound
metric_near "nic: the other end, on the machine" "$(cat "/sys/class/net/nicA$$/statistics/tx_bytes")" 0 500 sonde_nic_bytes_total interface="nicA$$" direction=outbound
check "nic: series of the namespace say which" sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | grep '^sonde_nic_bytes_total' | grep 'interface=\"nicB\"' | grep -q netns="
check "nic: those of the machine don't" sh -c "! curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | grep '^sonde_nic_bytes_total' | grep 'interface=\"nicA$$\"' | grep -q netns="
equal "nic: rows" "[$(inside rx_bytes)]" "$(get '/v1/records/nic?limit=1000' | jq -c '[.records[] | select(.interface == "nicB") | .received_bytes]')"
