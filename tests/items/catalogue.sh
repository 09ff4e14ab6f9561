# catalogue - each item of catalogue.txt against a program that does exactly N operations in one control group (named as a
# service's), and one that does none in another: the figure moves by N there, by 0 here, and by 0 when the item is off.
# Sourced by system and kernel tests, which bring get, equal, ok, not_ok and $folder, theirs.
# $hierarchy: where control groups are made. $operate: the program. $table: catalogue.txt.

rows() { sed 's/#.*//' "$table" | awk 'NF >= 6' ; }
catalogue_items() { rows | awk '{ print $3 }' | sort -u; }
# service_of ROW: a group of its own for each row; 0 is the one where nothing is done.
service_of() { echo "sonde-catalogue-$1"; }
group_of() { echo "$hierarchy/$(service_of "$1").service"; }

# Settings of an agent with all of them on.
catalogue_settings() { for item in $(catalogue_items); do printf ' --set items.%s.on=true --set items.%s.by=container' "$item" "$item"; done; }

make_groups() {
	n=0
	rows | while read -r _; do n=$((n + 1)); mkdir -p "$(group_of $n)"; done
	mkdir -p "$(group_of 0)"
}
remove_groups() {
	n=0
	rows | while read -r _; do n=$((n + 1)); rmdir "$(group_of $n)"; done
	rmdir "$(group_of 0)"
}
do_all() {
	n=0
	rows | while read -r operation count _; do n=$((n + 1)); "$operate" "$(group_of $n)" "$operation" "$count" </dev/null >"$folder/truth.$n"; done
}
# Every row's figure in what was read into metrics, states and numbers: `item|ok or not|what`. One pass: guests are slow.
judge() {
	awk '
		function matches(line, i, k) {
			if (index(line, name[i] "{") != 1) return 0
			for (k = 1; k <= wants[i]; k++) if (!index(line, want[i, k])) return 0
			return 1
		}
		FILENAME == ARGV[1] { state[$1] = $2; next }
		FILENAME == ARGV[2] { said[$1] = $2; next }
		FILENAME == ARGV[3] {
			sub(/#.*/, "")
			if (NF < 6) next
			n++; operation[n] = $1; count[n] = n in said ? said[n] : $2; item[n] = $3; series[n] = $4; percent[n] = $5; more[n] = $6
			name[n] = $4; sub(/\{.*/, "", name[n])
			wants[n] = index($4, "{") ? split(substr($4, index($4, "{") + 1, length($4) - length(name[n]) - 2), part, ",") : 0
			for (k = 1; k <= wants[n]; k++) { split(part[k], pair, "="); want[n, k] = pair[1] "=\"" pair[2] "\"" }
			next
		}
		match($0, /service="sonde-catalogue-[0-9]+"/) {
			row = substr($0, RSTART + 25, RLENGTH - 26) + 0
			if (FILENAME == ARGV[4]) { if (!row) before[$1] = $NF; next }
			if (!row) $NF -= before[$1]
			for (i = 1; i <= n; i++) if ((row == i || row == 0) && matches($0, i)) { if (row) got[i] += $NF; else still[i] += $NF }
		}
		END {
			for (i = 1; i <= n; i++) {
				if (state[item[i]] != "on") continue
				bound = count[i] * percent[i] / 100 + more[i]
				good = got[i] + 0 >= count[i] - bound && got[i] + 0 <= count[i] + bound
				if (!good) print "not|" item[i] ": " operation[i] ", " series[i] " is " got[i] + 0 ", not " count[i] " within " percent[i] " % and " more[i]
				else if (still[i]) print "not|" item[i] ": " series[i] " is " still[i] " where nothing was done"
				else print "ok|" item[i] ": " operation[i] ", " series[i] " (" got[i] ")"
			}
		}' "$folder/states" "$folder/numbers" "$table" "$folder/before" "$folder/metrics"
}
# Until all are right or twenty seconds are over.
compare_all() { # NAME
	limit=$(($(date +%s) + 20))
	while :; do
		get /metrics >"$folder/metrics"
		judge >"$folder/judged"
		grep -q '^not' "$folder/judged" && [ "$(date +%s)" -lt $limit ] || break
		sleep 1
	done
	while IFS='|' read -r verdict what; do
		if [ "$verdict" = ok ]; then ok "$1: $what"; else not_ok "$1: $what"; fi
	done <"$folder/judged"
}
# switch_all on|off: those that run, in one process.
switch_all() {
	body='{"on":true}'
	[ "$1" = off ] && body='{"on":false}'
	set -- "$1"
	for item in $running; do set -- "$@" "http://localhost/v1/items/$item"; done
	wanted=$1; shift
	curl -s --max-time 300 --unix-socket "$SONDE_SOCKET" -X PATCH -d "$body" "$@" >/dev/null
	get /v1/items | jq -r '.items[] | "\(.name) \(.state)"' >"$folder/switched"
	equal "all of them are $wanted" "" "$(for item in $running; do grep -q "^$item $wanted$" "$folder/switched" || echo "$item"; done)"
}

# The agent runs with catalogue_settings.
test_catalogue() {
	export OPERATE_IN="${OPERATE_IN:-/tmp}"
	make_groups
	get /v1/items | jq -r '.items[] | "\(.name) \(.state) \(.reason // "")"' >"$folder/states"
	running=
	for item in $(catalogue_items); do
		reason=$(sed -n "s/^$item [a-z]* //p" "$folder/states")
		if grep -q "^$item on " "$folder/states"; then running="$running $item"; continue; fi
		# (which kernels an item asks too much of is known: $skipped)
		case " ${skipped:-} " in
		*" $item "*) if [ -n "$reason" ]; then ok "$item can't run here and says why: $reason"; else not_ok "$item does not run and does not say why"; fi ;;
		*) not_ok "$item does not run: $reason" ;;
		esac
	done
	mkfifo "$folder/until"
	"$operate" "$(group_of 0)" nothing 0 <"$folder/until" & idle=$!
	exec 4>"$folder/until"
	is_inside() { grep -q . "$(group_of 0)/cgroup.procs" && grep -q '^State:.S' "/proc/$idle/status"; }
	n=0; until is_inside || [ $n -gt 300 ]; do n=$((n + 1)); sleep 0.1; done
	get /metrics >"$folder/before" # (coming in, and falling asleep there, is something too)
	do_all
	for said in "$folder"/truth.*; do [ -s "$said" ] && echo "${said##*.} $(cat "$said")"; done >"$folder/numbers"
	compare_all "on"
	switch_all off
	do_all
	switch_all on
	compare_all "while off"
	exec 4>&-
	wait $idle
	# (records of the whole machine may be more than a ring takes: that is told, and touches no figure)
	lost=$(awk -v items=" $running " 'index($0, "sonde_item_events_total{") == 1 && /stage="lost"/ && !/recursion|ring_full/ && $NF > 0 { match($0, /item="[^"]*"/); name = substr($0, RSTART + 6, RLENGTH - 7); if (index(items, " " name " ")) printf "%s ", $0 }' "$folder/metrics")
	equal "the catalogue: nothing lost" "" "$lost"
	remove_groups
}
