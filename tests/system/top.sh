#!/bin/sh
# `sonde top`: printed for scripts, and on a terminal (tmux), where keys do what the help says.
. "$(dirname "$0")/lib.sh"
start_agent
cp /bin/dash "$WORK/topspinner"
"$WORK/topspinner" -c 'while :; do :; done' & spinner=$!
at_end "kill $spinner; tmux -L sonde-top kill-server"

"$SONDE" top -d 4 -i 2 --json -n 5000 >"$WORK/rows"
share=$(jq -s "[.[] | select(.pid == $spinner).cpu] | last" "$WORK/rows")
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' /proc/$spinner/stat; }
within "a busy loop's share of a CPU" "$share" 0.2 1.1
truth=$(ticks); sleep 2; truth=$(awk -v a="$truth" -v b="$(ticks)" 'BEGIN { print (b - a) / 200 }')
echo "# the kernel's ticks said $truth over the next two seconds"
equal "its name" topspinner "$(jq -rs "[.[] | select(.pid == $spinner).process] | last" "$WORK/rows")"
"$SONDE" top items -d 1 -i 1 >"$WORK/out"
equal "all items are listed" "$("$SONDE" items --json | wc -l)" "$(awk '/^ITEM/{ on = 1; next } on && NF' "$WORK/out" | wc -l)"
"$SONDE" top devices -d 1 -i 1 >"$WORK/out"
check "the root file system" grep -qE '^/ ' "$WORK/out"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cp "$(command -v nginx)" "$WORK/topserver"
cat >"$WORK/nginx.conf" <<END
pid $WORK/nginx.pid; error_log $WORK/nginx.log; worker_processes 1;
events { worker_connections 64; }
http { access_log off; server { listen 127.0.0.1:$port; location / { return 200 "hello\n"; } } }
END
"$WORK/topserver" -c "$WORK/nginx.conf" && at_end "kill \$(cat $WORK/nginx.pid)"
( while [ ! -e "$WORK/enough" ]; do curl -s "http://127.0.0.1:$port/a" >/dev/null; sleep 0.05; done ) &
"$SONDE" top services -d 6 -i 2 --json -n 5000 >"$WORK/rows"
check "a service's rate" jq -se 'any(.service == "topserver" and .side == "server" and .protocol == "http" and .rate > 0)' "$WORK/rows"
"$SONDE" top requests -d 6 -i 2 -n 5000 >"$WORK/out"
check "and its operations" grep -qE '^topserver +server +http +GET +/a ' "$WORK/out"
touch "$WORK/enough"
"$SONDE" top nothing -d 1 >/dev/null 2>"$WORK/err"; equal "an unknown view is wrong usage" 2 $?

# on a terminal
screen() { tmux -L sonde-top capture-pane -p -t top; }
shows() { screen | grep -q "$1"; }
key() { tmux -L sonde-top send-keys -t top "$@"; }
tmux -L sonde-top -f /dev/null new-session -d -s top -x 120 -y 30 "SONDE_SOCKET=$SONDE_SOCKET $SONDE top -i 1"
check "the process is on the screen" wait_for 10 shows topspinner
key /; key t o p s p; key Enter
check "search leaves its rows only" wait_for 5 shows '1 rows'
key Enter
check "Enter shows all of it" wait_for 5 shows 'exe .*topspinner'
key Enter; key Escape
key 4
check "view 4 is devices" wait_for 5 shows 'DEVICE .*KIND'
key 6
check "view 6 is services" wait_for 5 shows 'SERVICE .*SIDE .*PROTOCOL'
key 7
check "view 7 is requests, with its last column" wait_for 5 shows 'OPERATION .*RESOURCE.*P99'
key Enter
check "Enter shows all of an operation" wait_for 5 shows 'PROTOCOL  *[a-z]'
key Enter
key '?'
check "the help" wait_for 5 shows 'sort by another column'
key '?'; key 1; key '>'
check "sorted by the next column" wait_for 5 shows 'MEMORYv'
key q
ended() { ! tmux -L sonde-top has-session -t top 2>/dev/null; }
check "q ends it" wait_for 5 ended
# a terminal that nobody has described
env TERM=no-such-terminal script -qec "$SONDE top" /dev/null </dev/null >"$WORK/out" 2>&1
check "an unknown terminal gets one sentence" grep -q "no description of 'no-such-terminal'" "$WORK/out"
