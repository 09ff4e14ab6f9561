# compare.awk - rows `LOAD WHO OPERATIONS/S CPU_NS_AN_OPERATION`, in the order they were measured: each round of a load
# begins with `none` and ends with `again`, which runs nothing either. Prints, for each load and who, medians over the
# rounds of throughput and CPU against the mean of the round's two empty rows; `again` against `none` is the spread.
function median(list, count,   i, j, t) {
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
	low = list[int((count + 3) / 4)]; high = list[int((3 * count + 1) / 4)]
	return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
{
	if (!($1 in seen_load)) { seen_load[$1]; loads[++load_count] = $1 }
	if (!($2 in seen_who) && $2 != "again") { seen_who[$2]; whos[++who_count] = $2 }
	if ($2 == "none") round[$1]++
	r = round[$1]
	speed[$1, $2, r] = $3; cpu[$1, $2, r] = $4
}
END {
	whos[++who_count] = "again"
	printf "%-12s %-10s %12s %10s %10s %8s  %-17s %s\n", "LOAD", "ITEM", "OPS/S", "NS/OP", "ADDED NS", "CPU", "(QUARTILES)", "THROUGHPUT"
	for (l = 1; l <= load_count; l++)
		for (w = 1; w <= who_count; w++) {
			load = loads[l]; who = whos[w]; n = 0
			for (r = 1; r <= round[load]; r++) {
				if (!((load, who, r) in speed)) continue
				n++
				s[n] = speed[load, who, r]; c[n] = cpu[load, who, r]
				base_speed = (speed[load, "none", r] + speed[load, "again", r]) / 2
				base_cpu = (cpu[load, "none", r] + cpu[load, "again", r]) / 2
				if (who == "again") { base_speed = speed[load, "none", r]; base_cpu = cpu[load, "none", r] }
				rs[n] = s[n] / base_speed; rc[n] = c[n] / base_cpu; added[n] = c[n] - base_cpu
			}
			if (!n) continue
			ms = median(s, n); mc = median(c, n); ma = median(added, n); mrs = median(rs, n); mrc = median(rc, n)
			if (who == "none") printf "%-12s %-10s %12.0f %10.0f\n", load, who, ms, mc
			else printf "%-12s %-10s %12.0f %10.0f %10.0f %8.3f  (%.3f .. %.3f)  %.3f\n", load, who, ms, mc, ma, mrc, low, high, mrs
		}
}
