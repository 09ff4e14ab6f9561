#!/bin/sh
# runtimes: collections, threads, calls and objects of languages, as many as their programs make; the order of Python's calls,
# whose probe of entries is silent in 3.11; queries of PostgreSQL, against `requests`. What is not installed is left out.
. "$(dirname "$0")/../items/items.sh"
has() { command -v "$1" >/dev/null || [ -x "$1" ]; }
start_agent --set items.runtimes.on=true
python=/usr/bin/python3.11


cat >"$WORK/calls.py" <<'PY'
import gc, os, sys, time
open("/proc/self/comm", "w").write("rtpython")
def leaf(): return 1
def branch():
    leaf(); leaf()
def work():
    for i in range(11): branch()
work()
gc.disable()
for i in range(int(sys.argv[1])): gc.collect()
os._exit(0)
PY
if [ -x $python ]; then
	"$python" "$WORK/calls.py" 7
	# (before it had its name here, and of what it was started for, too: the automatic ones)
	at_least_seven() { n=$(metric sonde_runtimes_gc_seconds_count process=rtpython language=python); [ "${n%.*}" -ge 7 ]; }
	check "python: collections" wait_for 20 at_least_seven
fi
if has javac; then
	cat >"$WORK/Rt.java" <<'J'
public class Rt {
	public static void main(String[] words) throws Exception {
		while (!new java.io.File(words[0]).exists()) Thread.sleep(20);
		for (int i = 0; i < 5; i++) System.gc();
		Thread[] threads = new Thread[9];
		for (int i = 0; i < 9; i++) { threads[i] = new Thread(() -> {}); threads[i].start(); }
		for (Thread thread : threads) thread.join();
	}
}
J
	javac -d "$WORK" "$WORK/Rt.java"
	java -XX:+UseSerialGC -cp "$WORK" Rt "$WORK/go" & java=$!
	started() { metric sonde_runtimes_threads_started_total process=java language=java; }
	has_settled() { was=$(started); [ "${was%.*}" -gt 0 ] && sleep 1 && [ "$was" = "$(started)" ]; }
	check "java: is there" wait_for 60 has_settled
	before=$(metric sonde_runtimes_gc_seconds_count process=java language=java) threads=$(started)
	touch "$WORK/go"; wait $java
	equal "java: collections" 5 "$(calc "$(metric sonde_runtimes_gc_seconds_count process=java language=java) - $before")"
	# (a compiler's thread may be started meanwhile)
	within "java: threads" "$(calc "$(started) - $threads")" 9 13
	rm -f "$WORK/go"
fi
if has go; then
	cat >"$WORK/rt.go" <<'G'
package main

import (
	"os"
	"runtime"
	"time"
)

func main() {
	for {
		if _, err := os.Stat(os.Args[1]); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	time.Sleep(time.Millisecond)
	for i := 0; i < 6; i++ {
		runtime.GC()
	}
	os.WriteFile(os.Args[1]+".done", nil, 0600)
	time.Sleep(time.Hour)
}
G
	(cd "$WORK" && GOCACHE="$WORK/gocache" GO111MODULE=off go build -o rtgo rt.go && strip rtgo)
	"$WORK/rtgo" "$WORK/go" & go=$!
	go_collections() { metric sonde_runtimes_gc_seconds_count process=rtgo language=go; }
	is_seen() { [ "$(go_collections)" != 0 ]; }
	check "go: a stripped program's collections are seen" wait_for 30 is_seen
	kill $go; wait $go 2>/dev/null
	rm -f "$WORK/go"
fi
if has ruby3.1; then
	cp "$(command -v ruby3.1)" "$WORK/rtruby"
	"$WORK/rtruby" -e '6.times { GC.start }'
	marked() { n=$(metric sonde_runtimes_gc_seconds_count process=rtruby language=ruby phase=mark); [ "${n%.*}" -ge 6 ]; }
	check "ruby: collections" wait_for 20 marked
fi

# calls, one by one
check "runtimes: calls" "$SONDE" items on runtimes flow=true objects=true
if [ -x $python ]; then
	"$python" "$WORK/calls.py" 0 & pid=$!; wait $pid
	calls() { metric sonde_runtimes_calls_total process=rtpython "method=$1"; }
	is_counted() { [ "$(calls leaf)" = 22 ] && [ "$(calls branch)" = 11 ]; }
	wait_for 20 is_counted
	equal "python: 33 calls" "22 11 1" "$(calls leaf) $(calls branch) $(calls work)"
	said() { get "/v1/records/runtimes?source=recent&limit=10000" | jq -r --argjson pid $pid '.records | sort_by(.time) | .[] | select(.pid == $pid and (.method == "leaf" or .method == "branch" or .method == "work")) | "\(.direction) \(.method)"'; }
	wanted() { echo '-> work'; for i in 1 2 3 4 5 6 7 8 9 10 11; do printf '%s\n' '-> branch' '-> leaf' '<- leaf' '-> leaf' '<- leaf' '<- branch'; done; echo '<- work'; }
	wanted >"$WORK/wanted"
	is_told() { said >"$WORK/said"; [ "$(wc -l <"$WORK/said")" -ge 68 ]; }
	wait_for 20 is_told
	check "python: all 34 entries and returns, in their order" cmp "$WORK/wanted" "$WORK/said"
fi
if has php8.2; then
	echo '<?php function leaf() { return 1; } for ($i = 0; $i < 13; $i++) leaf();' >"$WORK/rt.php"
	USE_ZEND_DTRACE=1 php8.2 "$WORK/rt.php"
	php_calls() { [ "$(metric sonde_runtimes_calls_total language=php method=leaf)" = 13 ]; }
	wait_for 20 php_calls
	equal "php: calls" 13 "$(metric sonde_runtimes_calls_total language=php method=leaf)"
fi
if has ruby3.1; then
	# (methods that are written in Ruby are silent unless somebody traces: docs/runtimes.md)
	"$WORK/rtruby" -e 'class Leaf; end; 17.times { Leaf.new; "aab".squeeze }'
	ruby_calls() { [ "$(metric sonde_runtimes_calls_total process=rtruby class_name=String method=squeeze)" = 17 ]; }
	wait_for 20 ruby_calls
	equal "ruby: calls" 17 "$(metric sonde_runtimes_calls_total process=rtruby class_name=String method=squeeze)"
	equal "ruby: objects" 17 "$(metric sonde_runtimes_objects_total process=rtruby class_name=Leaf)"
fi
check "runtimes: calls no more" "$SONDE" items on runtimes flow=false objects=false

# PostgreSQL: as it sees its queries itself, and as the wire does
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
if [ -n "$bin" ]; then
	chmod 755 "$WORK"; mkdir "$WORK/pg"; chown postgres "$WORK/pg"
	as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
	cp "$bin/postgres" "$WORK/unused" && rm "$WORK/unused"
	as_postgres "$bin/initdb" -D "$WORK/pg" -A trust >"$WORK/out" 2>&1
	as_postgres "$bin/postgres" -D "$WORK/pg" -p 25433 -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c cluster_name=rt >"$WORK/out" 2>&1 & postgres=$!
	at_end "kill $postgres 2>/dev/null"
	sql() { psql -h 127.0.0.1 -p 25433 -U postgres -qAtc "$1" postgres; }
	check "postgresql: answers" wait_for 30 sql 'select 1'
	for i in 1 2 3 4 5 6 7 8 9; do echo "select $i as sonde_runtimes;"; done >"$WORK/many.sql"
	asked() { get "/v1/records/$1?limit=10000&filter=$2" | jq '.records | length'; }
	by_itself() { asked runtimes 'kind%20%3D%20query%20and%20query%20~%20sonde_runtimes'; }
	on_the_wire() { metric sonde_request_duration_seconds_count protocol=postgresql side=server operation=SELECT; }
	wire=$(on_the_wire)
	psql -h 127.0.0.1 -p 25433 -U postgres -qAt -f "$WORK/many.sql" postgres >/dev/null
	are_nine() { [ "$(by_itself)" = 9 ]; }
	wait_for 20 are_nine
	equal "postgresql: queries, as the server sees them" 9 "$(by_itself)"
	saw_nine() { [ "$(calc "$(on_the_wire) - $wire")" -ge 9 ]; }
	check "postgresql: and as many on the wire" wait_for 20 saw_nine
fi
if [ -x $python ]; then
	before=$(metric sonde_runtimes_gc_seconds_count process=rtpython)
	check "runtimes: off" "$SONDE" items off runtimes
	"$python" "$WORK/calls.py" 7
	check "runtimes: on" "$SONDE" items on runtimes
	equal "runtimes: counts nothing when it is off" "$before" "$(metric sonde_runtimes_gc_seconds_count process=rtpython)"
fi
