# items - what the tests of items share, on top of the system tests' lib.sh: known work, and numbers that become right.
# Sourced.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
alone "$(basename "$0" .sh)"
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
	compared=$1 wanted=$2 percent=$3 absolute=$4; shift 4
	low=$(calc "$wanted - ($wanted) * $percent / 100 - $absolute") high=$(calc "$wanted + ($wanted) * $percent / 100 + $absolute")
	is_near() { got=$(metric "$@"); awk -v x="$got" -v a="$low" -v b="$high" 'BEGIN { exit !(x != "" && x >= a && x <= b) }'; }
	wait_for 5 is_near "$@"
	near "$compared" "$wanted" "$(metric "$@")" "$percent" "$absolute"
}
# Nothing of an item that ran was lost or found its maps full.
nothing_lost() {
	equal "$1: nothing lost" 0 "$(metric sonde_item_events_total item=$1 stage=lost)"
}
# maps_of ITEM MAP: ids of this agent's maps of that name.
maps_of() {
	for program in $("$SONDE" self --json | jq -r --arg item "$1" '.items[] | select(.name == $item) | .programs[].id'); do
		bpftool -j prog show id "$program" 2>/dev/null | jq -r '.map_ids[]?'
	done | sort -u | while read -r map; do
		bpftool -j map show id "$map" | jq -r "select(.name == \"$2\") | .id"
	done
}
# keys_of ID: keys of a map that are one number each.
keys_of() { bpftool -j map dump id "$1" | jq -r '.[].formatted.key' | sort; }
# dead_keys ITEM MAP: threads that were dead before the last look, and still have a key.
dead_keys() {
	for id in $(maps_of "$1" "$2"); do
		keys_of "$id" >"$WORK/keys"
		(cd /proc && ls -d [0-9]*/task/[0-9]*) 2>/dev/null | sed 's,.*/,,' | sort >"$WORK/tasks"
		keys_of "$id" | comm -12 - "$WORK/keys" | comm -23 - "$WORK/tasks"
	done
}
# keys_live ITEM MAP: keys of threads that died are gone. (Whose end the kernel did not tell, the agent finds: in at most 20 s.)
keys_live() {
	command -v bpftool >/dev/null || return 0
	check "$1: its map '$2' has keys" test -n "$(for id in $(maps_of "$1" "$2"); do keys_of "$id"; done)"
	none_is_dead() { [ -z "$(dead_keys "$1" "$2")" ]; }
	check "$1: no key of a dead thread in '$2'" wait_for 25 none_is_dead "$1" "$2"
}
