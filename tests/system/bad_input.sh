#!/bin/sh
# One clear sentence for whatever is wrong, and the right exit status; nothing else is lost.
. "$(dirname "$0")/lib.sh"

# says NAME STATUS PATTERN COMMAND...
says() {
	name=$1 wanted=$2 pattern=$3; shift 3
	"$@" >"$WORK/out" 2>"$WORK/err"; got=$?
	if [ "$got" != "$wanted" ]; then not_ok "$name: status $got, wanted $wanted: $(head -c 300 "$WORK/err")"; return; fi
	if grep -qE "$pattern" "$WORK/err"; then ok "$name"; else not_ok "$name: says '$(head -c 300 "$WORK/err")'"; fi
}

says "no command" 2 "no command" "$SONDE"
says "unknown command, with a suggestion" 2 "did you mean 'status'" "$SONDE" statsu
says "unknown option" 2 "unknown option '--frob'" "$SONDE" status --frob
says "a word too many" 2 "takes no words \('now'\)" "$SONDE" status now
says "a word too many after a verb" 2 "takes no more words" "$SONDE" config show everything
says "a run without its value" 2 "usage: sonde run" "$SONDE" run --set
says "a key in the long form" 2 "unknown key 'frob'" "$SONDE" run --set=frob=1
says "no agent" 1 "start one with 'sonde run'" "$SONDE" status
says "no root" 3 "run it as root|use sudo" env -u SONDE_SOCKET setpriv --reuid=65534 --regid=65534 --clear-groups "$SONDE" runqlat -d 1
says "wrong key, with a suggestion" 2 "did you mean 'limits.memory'" "$SONDE" run --set limts.memory=1
says "unknown parameter" 2 "no_such" env -u SONDE_SOCKET "$SONDE" runqlat --no-such 5 -d 1
says "a filter that can't be meant" 2 "filter" env -u SONDE_SOCKET "$SONDE" runqlat -d 1 --where 'pid ='
says "a filter on an unknown column" 2 "did you mean 'process'" env -u SONDE_SOCKET "$SONDE" runqlat -d 1 --where 'proces = x'
says "a missing configuration" 1 "/nonexistent" "$SONDE" run -c /nonexistent/sonde.yaml
printf 'listen: [unix:%s]\nitems:\n  runqlat: {on: true, min_uss: 3}\n' "$SONDE_SOCKET" >"$WORK/sonde.yaml"
says "a wrong item parameter, with its line" 2 "sonde.yaml:3.*min_us" "$SONDE" run -c "$WORK/sonde.yaml"
says "a port in use" 1 "another program" sh -c "socat TCP-LISTEN:18471,reuseaddr,fork - >/dev/null 2>&1 & p=\$!; sleep 0.5; $SONDE run --set 'listen=[127.0.0.1:18471]'; s=\$?; kill \$p; exit \$s"
says "an open address without token" 1 "token" "$SONDE" run --set 'listen=[0.0.0.0:18472]' --set "token_file=$WORK/none"
echo junk >"$WORK/junk.bpf.o"
says "junk is no item" 1 "junk" "$SONDE" items check "$WORK/junk.bpf.o"
says "a name that is a command" 1 "command" sh -c "cp $WORK/junk.bpf.o $WORK/run.bpf.o; $SONDE items check $WORK/run.bpf.o"

# a kernel without types, a machine that forbids bpf(2)
one_sentence() { equal "$1: one sentence" 1 "$(grep -c . "$WORK/err")"; }
says "no BTF, for one item" 3 "no BTF|CONFIG_DEBUG_INFO_BTF" unshare -m sh -c "mount -t tmpfs none /sys/kernel/btf && exec env -u SONDE_SOCKET $SONDE runqlat -d 1"
one_sentence "no BTF, for one item"
says "no BTF, for the agent" 3 "CONFIG_DEBUG_INFO_BTF.*'btf'" unshare -m sh -c "mount -t tmpfs none /sys/kernel/btf && exec $SONDE run --set 'listen=[unix:$SONDE_SOCKET]' --set store.path=$WORK/store"
one_sentence "no BTF, for the agent"
says "a BTF file that is not there" 3 "/nonexistent" unshare -m sh -c "mount -t tmpfs none /sys/kernel/btf && exec $SONDE run --set 'listen=[unix:$SONDE_SOCKET]' --set store.path=$WORK/store --set btf=/nonexistent/btf"
gcc -O1 -o "$WORK/without_bpf" "$(dirname "$0")/without_bpf.c" || exit 1
says "no bpf(), for one item" 3 "bpf" env -u SONDE_SOCKET "$WORK/without_bpf" "$SONDE" runqlat -d 1
one_sentence "no bpf(), for one item"
says "no bpf(), for the agent" 3 "bpf" "$WORK/without_bpf" "$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$WORK/store"
one_sentence "no bpf(), for the agent"

start_agent
says "a second agent" 1 "another agent serves" "$SONDE" run --set "listen=[unix:$SONDE_SOCKET]" --set "store.path=$WORK/store2"
one_sentence "a second agent"
says "an unknown item" 2 "there is no item 'runqlatt'" "$SONDE" items on runqlatt
says "an unknown item to watch, with a suggestion" 2 "did you mean 'runqlat'" "$SONDE" runqlatt
says "a value that does not fit" 2 "min_us" "$SONDE" items on runqlat min_us=soon
says "a column to sort by that is none" 2 "did you mean 'anon_bytes'" "$SONDE" mem -d 1 --sort anon_byte
says "a column to show that is none" 2 "no column 'frob'" "$SONDE" mem -d 1 --columns pid,frob
says "junk can't be brought in" 2 "junk" "$SONDE" items add "$WORK/junk.bpf.o"
says "removing what is built in" 1 "belongs to sonde" "$SONDE" items remove runqlat
for hostile in 'GET /v1/items/%00 HTTP/1.1' 'GET /v1/items/../../etc/passwd HTTP/1.1' 'BREW / HTTP/1.1' 'GET /v1/records/runqlat?limit=-1 HTTP/1.1'; do
	printf '%s\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$hostile" | socat -t 3 - "UNIX-CONNECT:$SONDE_SOCKET" >"$WORK/answer"
	check "refused: $hostile" grep -qE '^HTTP/1.1 (4|501)' "$WORK/answer"
done
# hostile process names reach every output as valid text
evil=$(printf 'a"b\\c\001\303')
mkdir -p "$WORK/bin" && cp /bin/dash "$WORK/bin/$evil"
"$WORK/bin/$evil" -c 'while :; do /bin/sleep 0.05; done' & sleeper=$!
at_end "kill $sleeper"
evil_is_there() { "$SONDE" runqlat -d 1 --json >"$WORK/json"; jq -r .process <"$WORK/json" | grep -qxF "$(printf 'a"b\\c\001\357\277\275')"; }
check "a hostile name is seen" wait_for 15 evil_is_there
check "every line is valid JSON" sh -c "jq -e . <$WORK/json >/dev/null"
check "every line is valid UTF-8" sh -c "iconv -f utf-8 -t utf-8 $WORK/json >/dev/null"
check "metrics stay valid" sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/metrics | promtool check metrics >/dev/null 2>$WORK/lint || { cat $WORK/lint; exit 1; }"
# the same name on a terminal and in a live stream
"$SONDE" runqlat -d 1 -n 1000 --where 'process ~ "^a"' >"$WORK/table"
check "the table shows control bytes, and sends none" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' $WORK/table && grep -qF 'a\"b\\c\\x01' $WORK/table"
curl -sN --max-time 3 --unix-socket "$SONDE_SOCKET" 'http://localhost/v1/stream?item=runqlat' >"$WORK/stream"
sed -n 's/^data: //p' "$WORK/stream" >"$WORK/data"
check "each event of a stream is one line of JSON" sh -c "jq -e . <$WORK/data >/dev/null && jq -r .process <$WORK/data | grep -qF 'a\"b'"
check "no line of a stream is cut by a name" sh -c "! grep -vE '^(retry: [0-9]+|event: [a-z]+|data: \{.*\}|: .*|)\$' $WORK/stream"
check "the agent serves on" "$SONDE" status
