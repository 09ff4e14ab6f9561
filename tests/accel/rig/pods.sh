# pods - network namespaces as pods of one node: a veth each to a namespace that routes, and, where a pod has a sidecar, the
# REDIRECT rules that Istio sets. Sourced; wants $RIG (a folder for the programs and sockets) and at_end COMMAND.
#
#	a  10.77.1.2  the client, with a sidecar (everything that it sends goes to :15001)
#	b  10.77.2.2  a server with a sidecar (everything that comes goes to :15006)
#	c  10.77.3.2  a server without
#	d  10.77.4.2  a client without
#
# The sidecar is known by its user (1337), as Istio's is.
rig_dir=${rig_dir:?}
SIDECAR_USER=1337
pods_id=rig$$
pod_address() { case $1 in a) echo 10.77.1.2 ;; b) echo 10.77.2.2 ;; c) echo 10.77.3.2 ;; d) echo 10.77.4.2 ;; esac; }
in_pod() { pod=$1; shift; ip netns exec "$pods_id-$pod" ${RIG_PRIORITY:-} "$@"; }
# (for `&`: the process that is left behind is the program itself)
become_in_pod() { pod=$1; shift; exec ip netns exec "$pods_id-$pod" ${RIG_PRIORITY:-} "$@"; }
become_sidecar() { pod=$1; shift; become_in_pod "$pod" setpriv --reuid $SIDECAR_USER --regid $SIDECAR_USER --clear-groups "$@"; }

rig_build() {
	mkdir -p "$RIG"; chmod 755 "$RIG"
	for program in relay server load push; do
		gcc -D_GNU_SOURCE ${RIG_CFLAGS:--O2} -Wall -o "$RIG/$program" "$rig_dir/$program.c" "$rig_dir/rig.c" || return 1
	done
}

pod_new() { # NAME
	address=$(pod_address "$1") gateway=${address%.2}.1
	ip netns add "$pods_id-$1" && ip link add "v$1" netns "$pods_id-node" type veth peer name eth0 netns "$pods_id-$1" || return 1
	ip -n "$pods_id-node" addr add "$gateway/24" dev "v$1"; ip -n "$pods_id-node" link set "v$1" up
	ip -n "$pods_id-$1" link set lo up
	ip -n "$pods_id-$1" addr add "$address/24" dev eth0; ip -n "$pods_id-$1" link set eth0 up
	ip -n "$pods_id-$1" route add default via "$gateway"
}

# As istio-iptables sets them (ISTIO_INBOUND, ISTIO_OUTPUT); 15007 is ours, for sidecars that are reached past the rules.
pod_redirects() { # NAME
	ip netns exec "$pods_id-$1" sh -e <<-R
	t="iptables -w -t nat"
	\$t -N IN_REDIRECT; \$t -A IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
	\$t -N OUT_REDIRECT; \$t -A OUT_REDIRECT -p tcp -j REDIRECT --to-ports 15001
	\$t -N INBOUND; \$t -A PREROUTING -p tcp -j INBOUND
	\$t -A INBOUND -p tcp --dport 15007 -j RETURN
	\$t -A INBOUND -p tcp -j IN_REDIRECT
	\$t -N OUTBOUND; \$t -A OUTPUT -p tcp -j OUTBOUND
	\$t -A OUTBOUND -s 127.0.0.6/32 -o lo -j RETURN
	\$t -A OUTBOUND ! -d 127.0.0.1/32 -o lo -m owner --uid-owner $SIDECAR_USER -j IN_REDIRECT
	\$t -A OUTBOUND -o lo -m owner ! --uid-owner $SIDECAR_USER -j RETURN
	\$t -A OUTBOUND -m owner --uid-owner $SIDECAR_USER -j RETURN
	\$t -A OUTBOUND -d 127.0.0.1/32 -j RETURN
	\$t -A OUTBOUND -j OUT_REDIRECT
	R
}

pods_down() {
	for pod in a b c d node; do
		[ -e "/run/netns/$pods_id-$pod" ] || continue
		ip netns pids "$pods_id-$pod" | xargs -r kill 2>/dev/null
		ip netns del "$pods_id-$pod"
	done
}

pods_up() {
	at_end pods_down
	ip netns add "$pods_id-node" && ip netns exec "$pods_id-node" sh -c 'ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward' || return 1
	for pod in a b c d; do pod_new $pod || return 1; done
	pod_redirects a && pod_redirects b
}

# until_listens POD PORT
until_listens() {
	tries=0
	until ip netns exec "$pods_id-$1" ss -Hltn "sport = :$2" | grep -q .; do tries=$((tries + 1)); [ $tries -lt 600 ] || return 1; sleep 0.05; done
}
servers=
servers_up() {
	for pod in b c; do
		become_in_pod $pod "$RIG/server" :8080 "unix:$RIG/$pod.app" & at_end "kill $! 2>/dev/null"; servers="$servers $!"
		until_listens $pod 8080 || return 1
	done
	chmod 777 "$RIG"/*.app
}

haproxy_config() { # LISTEN SERVER
	cat <<-C
	defaults
		mode http
		timeout client 600s
		timeout server 600s
		timeout connect 5s
		http-reuse always
	global
		maxconn 8000
		nbthread 1
	frontend in
		bind $1
		${3:-}
		default_backend out
	backend out
		server one $2
	${4:-}
	C
}
sidecar() { # KIND POD NAME LISTEN DEST: DEST "wanted" = where the connection was to go, "local" = there, at 127.0.0.1
	more= backend=
	case $1-$5 in
	l4-wanted) become_sidecar "$2" "$RIG/relay" "$4" & ;;
	l4-local) become_sidecar "$2" "$RIG/relay" "$4" 127.0.0.1: & ;;
	l4-*) become_sidecar "$2" "$RIG/relay" "$4" "$5" & ;;
	haproxy-*)
		bind=$4 server=$5
		case $4 in unix:*) bind="unix@${4#unix:} mode 777" ;; esac
		case $5 in
		# (where a connection was to go is the original destination: what Envoy would know as two clusters)
		wanted) server=$(pod_address b):8080 more="use_backend c if { dst $(pod_address c) }" backend="backend c
		server one $(pod_address c):8080" ;;
		local) server=127.0.0.1:8080 ;; unix:*) server=unix@${5#unix:} ;;
		esac
		haproxy_config "$bind" "$server" "$more" "$backend" >"$RIG/$3.cfg"
		become_sidecar "$2" "$RIG/haproxy" -db -q -f "$RIG/$3.cfg" & ;;
	esac
	sidecars="$sidecars $!"
}
sidecars=
# sidecars_up KIND [unix]: both pods' sidecars; with `unix` those whose hops to their application are Unix sockets.
sidecars_up() {
	if [ "${2:-}" ]; then
		chmod 777 "$RIG"
		sidecar "$1" a to_b "unix:$RIG/to_b" "$(pod_address b):15007"
		sidecar "$1" a to_c "unix:$RIG/to_c" "$(pod_address c):8080"
		sidecar "$1" b in_b :15007 "unix:$RIG/b.app"
		until_listens b 15007
		until [ -S "$RIG/to_b" ] && [ -S "$RIG/to_c" ]; do sleep 0.05; done
	else
		sidecar "$1" a out_a :15001 wanted
		sidecar "$1" b in_b :15006 local
		until_listens a 15001 && until_listens b 15006
	fi
}
sidecars_down() {
	for pid in $sidecars; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
	sidecars=
	rm -f "$RIG/to_b" "$RIG/to_c"
}
