#!/bin/sh
# A script of the tracing language as an item: maps are metrics and rows, lines are records, options are parameters;
# switched, changed, upgraded, kept over a restart, and ended when it can't go on.
. "$(dirname "$0")/lib.sh"
start_agent
# an answer may be shared with whoever asked a moment before: so these wait
shows() { series | grep -qxF "$1"; }
shows_none() { ! series | grep -q "$1"; }
series() { get /metrics | grep "^sonde_watched" | sort; }

cat >"$WORK/watched.bt" <<'EOF'
// Files that one program opens.
// @opens[program, file]: files opened
tracepoint:syscalls:sys_enter_openat /comm == "five_hundred"/ { @opens[comm, str(args.filename)] = count(); @sizes = hist(200); @even = lhist(7, 0, 100, 10); @mean = avg(10); @mean = avg(20); @[comm] = max(getopt("limit", 5)); }
tracepoint:sched:sched_process_exit /comm == "five_hundred"/ { printf("%s is over\n", comm); }
EOF
# opens /dev/null exactly $1 times
opens() {
	python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(15, b"five_hundred", 0, 0, 0)
for i in range(int(sys.argv[1])): os.close(os.open("/dev/null", os.O_RDONLY))
libc.prctl(15, b"python3", 0, 0, 0)
if len(sys.argv) > 2: libc.prctl(15, b"five_hundred", 0, 0, 0)
' "$@"
}
check "it is checked without an agent's help" sh -c "'$SONDE' items check '$WORK/watched.bt' | grep -q '\"kind\":\"lhist\"'"
check "it is brought in" "$SONDE" items add "$WORK/watched.bt"
check "it is switched on" "$SONDE" items on watched
opens 500
check "the count, with the labels of the comment" wait_for 20 shows 'sonde_watched_opens{file="/dev/null",program="five_hundred"} 500'
check "the comment is its help" sh -c "'$SONDE' items | grep -q . && curl -s --unix-socket '$SONDE_SOCKET' http://x/metrics | grep -q 'HELP sonde_watched_opens files opened'"
equal "a histogram's count" 'sonde_watched_sizes_count 500' "$(series | grep '^sonde_watched_sizes_count')"
equal "values of 200 are below 256" 500 "$(series | sed -n 's/^sonde_watched_sizes_bucket{le="255.*"} //p;s/^sonde_watched_sizes_bucket{le="256.*"} //p')"
equal "a linear histogram: 7 is below 9" 500 "$(series | sed -n 's/^sonde_watched_even_bucket{le="9.0"} //p')"
equal "an average" 'sonde_watched_mean 15' "$(series | grep '^sonde_watched_mean ')"
equal "the map without a name, and an option's default" 'sonde_watched{key0="five_hundred"} 5' "$(series | grep '^sonde_watched{')"
equal "rows" '500' "$(get '/v1/records/watched?source=rows' | jq -c '.records[] | select(.map == "opens") | .value')"

check "an option is a parameter" "$SONDE" items on watched limit=77
check "it begins anew with it" wait_for 20 shows_none '^sonde_watched_opens'
opens 3 once
check "its value" wait_for 20 shows 'sonde_watched{key0="five_hundred"} 77' # a scrape may be a tenth of a second old
line() { get '/v1/records/watched?source=recent' | jq -r '.records[].line' | grep -qx 'five_hundred is over'; }
check "what it prints is a record" wait_for 20 line
equal "a parameter that there is not" 2 "$("$SONDE" items on watched frob=1 2>"$WORK/err"; echo $?)"

mkdir "$WORK/next"
echo 'BEGIN { @x = nonsense; }' >"$WORK/next/watched.bt"
equal "a version that is wrong is refused" 2 "$("$SONDE" items upgrade watched "$WORK/next/watched.bt" 2>"$WORK/err"; echo $?)"
check "with the place of what is wrong" grep -q 'watched.bt:1:14-22: ERROR' "$WORK/err"
opens 4
check "and the old one serves on" wait_for 20 shows 'sonde_watched_opens{file="/dev/null",program="five_hundred"} 7'
sed 's/@opens/@again/' "$WORK/watched.bt" >"$WORK/next/watched.bt"
check "a version that is right takes its place" "$SONDE" items upgrade watched "$WORK/next/watched.bt"
opens 6
check "with its own maps" wait_for 20 shows 'sonde_watched_again{file="/dev/null",program="five_hundred"} 6'

# one that ends, and one that costs too much
echo 'interval:ms:100 { exit(); }' >"$WORK/brief.bt"
"$SONDE" items add "$WORK/brief.bt" >"$WORK/out" && "$SONDE" items on brief
brief() { "$SONDE" items | grep -q 'brief .*skipped.*ended by itself'; }
check "one that ends by itself says so" wait_for 20 brief
equal "one that is wrong is no item" 2 "$(echo 'BEGIN { @ = 1 + ; }' >"$WORK/wrong.bt"; "$SONDE" items add "$WORK/wrong.bt" 2>"$WORK/err"; echo $?)"
check "and has its place" grep -q 'wrong.bt:1:' "$WORK/err"

# its process is killed: the item says so, and can be switched on again
broker=$("$SONDE" status --json | jq .broker.pid) worker=$("$SONDE" status --json | jq .worker.pid)
kill -9 $(pgrep -P "$broker" | grep -vx "$worker")
dead() { "$SONDE" items | grep -q 'watched .*skipped'; }
check "its process is killed: the item is off with a reason" wait_for 20 dead
check "and is switched on again" "$SONDE" items on watched

stop_agent
start_agent
check "it is there after a restart" sh -c "'$SONDE' items | grep -q '^watched '"
check "it is taken out" "$SONDE" items remove watched
equal "and so is its file" "" "$(ls "$WORK/store/items" | grep watched)"
equal "processes that are left" "" "$(b=$("$SONDE" status --json | jq .broker.pid); w=$("$SONDE" status --json | jq .worker.pid); pgrep -P "$b" | grep -vx "$w")"
