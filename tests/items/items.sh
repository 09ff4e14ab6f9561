# items - what the tests of items share, on top of the system tests' lib.sh: known work, and numbers that become right.
# Sourced.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
gcc -D_GNU_SOURCE -O1 -o "$WORK/work" "$here/../items/work.c" -lpthread || { echo "not ok work: does not build"; exit 1; }

# worker NAME: the program that works, under a name that nobody else has; its series carry it.
worker() { cp "$WORK/work" "$WORK/$1"; }
# truth NAME: what the work said of itself in $WORK/truth.
truth() { awk -v name="$1" '$1 == name { print $2; exit }' "$WORK/truth"; }
calc() { awk "BEGIN { printf \"%.10g\", $1 }"; }
# near NAME WANTED GOT PERCENT [ABSOLUTE]
near() { within "$1, wanted $2" "$3" "$(calc "$2 - ($2) * $4 / 100 - ${5:-0}")" "$(calc "$2 + ($2) * $4 / 100 + ${5:-0}")"; }
# metric_near NAME WANTED PERCENT ABSOLUTE METRIC [LABEL=VALUE...]: within five seconds; then whatever it is.
metric_near() {
	name=$1 wanted=$2 percent=$3 absolute=$4; shift 4
	low=$(calc "$wanted - ($wanted) * $percent / 100 - $absolute") high=$(calc "$wanted + ($wanted) * $percent / 100 + $absolute")
	is_near() { got=$(metric "$@"); awk -v x="$got" -v a="$low" -v b="$high" 'BEGIN { exit !(x != "" && x >= a && x <= b) }'; }
	wait_for 5 is_near "$@"
	near "$name" "$wanted" "$(metric "$@")" "$percent" "$absolute"
}
# Nothing of an item that ran was lost or found its maps full.
nothing_lost() {
	equal "$1: nothing lost" 0 "$(metric sonde_item_events_total item=$1 stage=lost)"
}
# keys_live MAP: every key of the item's map of that name is a thread that lives.
keys_live() {
	command -v bpftool >/dev/null || return 0
	dead=0 keys=0
	for id in $(bpftool -j map show | jq ".[] | select(.name == \"$1\") | .id"); do
		for key in $(bpftool -j map dump id "$id" | jq -r '.[] | .formatted.key // (.key | reverse | map(ltrimstr("0x")) | join("") | "0x" + .)'); do
			keys=$((keys + 1))
			[ -d "/proc/$((key))" ] || dead=$((dead + 1))
		done
	done
	within "$1: dead keys of $keys" "$dead" 0 "${2:-0}"
}
