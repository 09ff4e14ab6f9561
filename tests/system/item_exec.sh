#!/bin/sh
# exec against a program that says what it started, from where, with what result, and what wait() said at each end.
. "$(dirname "$0")/../items/items.sh"
export WORK
start_agent
worker exstarts
"$SONDE" exec --json --where 'process = exstarts or process = work' >"$WORK/events" 2>"$WORK/complaints" & watcher=$!
at_end "kill $watcher"
is_watching() { "$WORK/work" nothing; grep -q '"process":"work"' "$WORK/events"; }
wait_for 10 is_watching || not_ok "exec: nothing is seen"
"$WORK/exstarts" starts 1000 >"$WORK/truth"
"$WORK/work" nothing last-one
is_done() { grep -q 'last-one' "$WORK/events"; }
wait_for 10 is_done || not_ok "exec: the last event did not come"
jq -r 'select(.kind == "exec" and .process == "exstarts") | "start \(.pid) \(.path) \(.cwd) \(.errno // "OK")"' "$WORK/events" | sort >"$WORK/seen.starts"
awk -v self="$WORK/exstarts" 'BEGIN { errno["missing"] = "ENOENT"; errno["forbidden"] = "EACCES"; errno["nofolder"] = "ENOTDIR" }
	$1 == "start" && $2 != "thread" { print "start", $3, $4, $5, ($2 in errno ? errno[$2] : "OK") }' "$WORK/truth" | sort >"$WORK/true.starts"
missing() { grep -vxFf "$WORK/seen.$1" "$WORK/true.$1" | head -n 5; }
equal "exec: every start, its program, folder and result ($(wc -l <"$WORK/true.starts"))" "" "$(missing starts)"
thread=$(awk '$1 == "start" && $2 == "thread" { print $3 }' "$WORK/truth")
equal "exec: one by a thread has the process's pid" "from-thread nothing" "$(jq -r "select(.kind == \"exec\" and .pid == $thread and .path == \"$WORK/exstarts\") | .args" "$WORK/events")"
equal "exec: arguments are joined and quoted" "few nothing 'two words' x" "$(jq -r 'select(.kind == "exec" and .cwd == "/usr/share" and .path == env.WORK + "/exstarts") | .args' "$WORK/events")"
equal "exec: 59 arguments" 59 "$(jq -r 'select(.kind == "exec" and .argc == 59 and .path == env.WORK + "/exstarts") | .args' "$WORK/events" | wc -w)"
jq -r 'select(.kind == "exit" and .process != "work") | "end \(.pid) \(.exit_code) \(.signal // "none")"' "$WORK/events" | sort >"$WORK/seen.ends"
awk 'BEGIN { signal[0] = "none"; signal[9] = "SIGKILL"; signal[15] = "SIGTERM" } $1 == "end" { print "end", $3, $4, signal[$5] }' "$WORK/truth" | sort >"$WORK/true.ends"
equal "exec: every end, its code and signal ($(wc -l <"$WORK/true.ends"))" "" "$(missing ends)"
equal "exec: each end once" "" "$(awk 'NR == FNR { mine[$2]; next } $2 in mine { print $2 }' "$WORK/true.ends" "$WORK/seen.ends" | uniq -d)"
check "exec: times are those of the process" test "$(jq -r 'select(.kind == "exit" and .process == "exstarts") | .duration_ns' "$WORK/events" | awk '$1 <= 0 || $1 > 6e10' | wc -l)" = 0
equal "exec: the watcher could follow" "" "$(cat "$WORK/complaints")"
equal "exec: nothing lost" 0 "$(metric sonde_item_events_total item=exec stage=lost)"
