#!/bin/sh
# Programs of the tracing language through the API: right counts, limits, clear refusals, and nothing stays behind.
. "$(dirname "$0")/lib.sh"
start_agent
curl="curl -sN --max-time 60 --unix-socket $SONDE_SOCKET http://sonde/v1/trace -H Content-Type:application/json -d"
trace() { $curl "$1"; }
scripts() { pgrep -P "$(echo "$status" | jq .broker.pid)" | grep -vx "$(echo "$status" | jq .worker.pid)"; }
data() { sed -n 's/^data: //p'; }
status=$("$SONDE" status --json)

# A count that somebody else knows: this process calls openat exactly 500 times when it is told to.
mkfifo "$WORK/go"
python3 -c '
import ctypes, os, sys
ctypes.CDLL(None).prctl(15, b"five_hundred", 0, 0, 0)
open(sys.argv[1]).close()
for i in range(500): os.close(os.open("/dev/null", os.O_RDONLY))
' "$WORK/go" & p=$!
$curl '{"program":"tracepoint:syscalls:sys_enter_openat /comm == \"five_hundred\"/ { @[str(args.filename)] = count(); } tracepoint:sched:sched_process_exit /comm == \"five_hundred\"/ { exit(); }"}' >"$WORK/out" & c=$!
check "the program is attached" wait_for 20 grep -q attached_probes "$WORK/out"
: >"$WORK/go"
wait $p $c
equal "calls of a program that makes 500" 500 "$(data <"$WORK/out" | jq -c 'select(.type == "map") | .data["@"]["/dev/null"]')"
equal "the stream's end" '{"code":0}' "$(data <"$WORK/out" | tail -n 1)"

trace '{"program":"BEGIN { printf(\"%s %d\\n\", str($1), $2); exit(); }","params":["word","7"]}' >"$WORK/out"
check "parameters reach it" grep -q 'word 7' "$WORK/out"

answer() { curl -s -o "$WORK/out" -w '%{http_code}' --max-time 20 --unix-socket "$SONDE_SOCKET" http://sonde/v1/trace -H 'Content-Type: application/json' -d "$1"; }
equal "a program that is wrong: the status" 400 "$(answer '{"program":"BEGIN { @x = nonsense; }"}')"
check "and what is wrong, with its place" sh -c "jq -e '(.error | test(\"^stdin:1:[0-9]+-[0-9]+: ERROR: \")) and (.hint | test(\"~\"))' '$WORK/out' >'$WORK/jq'"
equal "no program: the status" 400 "$(answer '{}')"
equal "a key nobody knows: the status" 400 "$(answer '{"program":"BEGIN { exit(); }","limit":{}}')"
equal "a limit that is none: the status" 400 "$(answer '{"program":"BEGIN { exit(); }","limits":{"duration":"soon"}}')"
equal "nothing that changes the machine without being asked for: the status" 400 "$(answer '{"program":"BEGIN { system(\"id\"); }"}')"

trace '{"program":"interval:ms:5 { print(1); }","limits":{"events":3}}' >"$WORK/out"
equal "lines when three are allowed" 3 "$(grep -c '^event: value' "$WORK/out")"
trace '{"program":"rawtracepoint:sys_enter { @[comm, probe] = count(); }","limits":{"overhead":0.000001}}' >"$WORK/out"
check "what costs too much is let go of, with the reason" sh -c "tail -n 3 '$WORK/out' | grep -q 'take.*of a CPU and may take'"
trace '{"program":"interval:s:100 { print(1); }","limits":{"duration":"1s"}}' >"$WORK/out"
equal "the end after a second" '{"code":0}' "$(data <"$WORK/out" | tail -n 1)"

# Its process has little, and goes with the client.
$curl '{"program":"rawtracepoint:sched_switch { @ = count(); }"}' >"$WORK/out" & c=$!
check "the program is attached" wait_for 20 grep -q attached_probes "$WORK/out"
script=$(scripts)
equal "its process: user, no new privileges, filtered calls" "65534 1 2" "$(awk '/^Uid/{ u = $2 } /^NoNewPrivs/{ n = $2 } /^Seccomp:/{ s = $2 } END { print u, n, s }' "/proc/$script/status")"
kill $c; wait $c 2>/dev/null
gone() { [ -z "$(scripts)" ]; }
check "no process of a script is there when its client has gone" wait_for 20 gone

i=0; while [ $i -lt 16 ]; do $curl '{"program":"interval:s:100 { print(1); }"}' >"$WORK/out.$i" & i=$((i + 1)); done
all() { [ "$(cat "$WORK"/out.* | grep -c '^event: attached_probes')" = 16 ]; }
check "sixteen run at once" wait_for 60 all
equal "the seventeenth: the status" 409 "$(answer '{"program":"BEGIN { exit(); }"}')"
kill -9 $(scripts)
ended() { [ "$(cat "$WORK"/out.* | grep -c '^event: end')" = 16 ]; }
check "all are told of the end when their processes are killed" wait_for 20 ended
trace '{"program":"BEGIN { printf(\"still here\\n\"); exit(); }"}' >"$WORK/out"
check "and the agent goes on" grep -q 'still here' "$WORK/out"
