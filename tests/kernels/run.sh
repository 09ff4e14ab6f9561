#!/bin/sh
# run.sh KERNEL... - the items under other kernels: each cell is a number against an independent count.
# Kernels are Debian's, fetched once into $VM_KERNELS (default /var/tmp/vm-kernels). What each program costs is compared with
# instructions.txt: a tenth more fails. CATALOGUE=1: all items of tests/items/catalogue.txt, too (ten minutes a kernel). UPDATE=1 writes the new figures of these kernels there.
set -u
cd "$(dirname "$0")" || exit 1
top=$(cd ../.. && pwd)
export VM_KERNELS="${VM_KERNELS:-/var/tmp/vm-kernels}"
failed=0
scratch=$(mktemp -d /tmp/sonde-kernels-XXXXXX) # the guest sees /tmp, too
trap 'rm -rf "$scratch"' EXIT
gcc -D_GNU_SOURCE -O1 -o "$scratch/work" ../items/work.c -lpthread || { echo "not ok work: does not build"; exit 1; }
gcc -D_GNU_SOURCE -O1 -static -o "$scratch/operate" ../items/operate.c || { echo "not ok operate: does not build"; exit 1; }

# Lines `KERNEL ITEM PROGRAM VERIFIED LENGTH` against the recorded ones. (A few more instructions of a short program are no regression.)
compare_costs() {
	awk -v kernel="$1" 'NR == FNR { if ($1 == kernel) { verified[$2 " " $3] = $4; length_of[$2 " " $3] = $5 } next }
		{ name = $2 " " $3; seen++
		  if (!(name in verified)) { print "not ok " kernel "/" name ": its cost is not recorded (UPDATE=1 tests/kernels/run.sh " kernel ")"; next }
		  if ($4 > verified[name] * 1.1 + 50 || $5 > length_of[name] * 1.1 + 20)
			print "not ok " kernel "/" name ": " $4 " instructions verified, " $5 " long; recorded: " verified[name] ", " length_of[name]
		  else good++ }
		END { if (seen && good == seen) print "ok " kernel "/cost of " seen " programs"; if (!seen) print "not ok " kernel "/cost: no program told" }' instructions.txt "$2"
}

for kernel in "$@"; do
	if [ ! -s "$VM_KERNELS/$kernel/vm/initrd.cpio" ]; then
		vm/fetch-kernels.sh "$kernel" || { echo "not ok $kernel: its package could not be fetched"; failed=1; continue; }
	fi
	vm/run-in-vm.sh -t "${VM_SECONDS:-900}" "$kernel" "KERNEL=$kernel CATALOGUE=${CATALOGUE:-} SONDE=${SONDE:-$top/build/sonde} WORK=$scratch/work OPERATE=$scratch/operate TESTS=$top/tests sh $top/tests/kernels/guest.sh" \
		>"$scratch/out" 2>"/tmp/sonde-kernel-$kernel.err" || {
		failed=1
		tail -n 20 "/tmp/sonde-kernel-$kernel.err"
	}
	grep -v '^# instructions' "$scratch/out"
	sed -n 's/^# instructions //p' "$scratch/out" | sort >"$scratch/costs"
	if [ -n "${UPDATE:-}" ] && [ -s "$scratch/costs" ]; then
		# (what was not measured this time keeps its figures)
		awk 'NR == FNR { is_new[$1 " " $2 " " $3] = 1; print; next } !(($1 " " $2 " " $3) in is_new)' "$scratch/costs" instructions.txt | sort -V >"$scratch/new" && cp "$scratch/new" instructions.txt
	fi
	compare_costs "$kernel" "$scratch/costs" | tee "$scratch/verdict"
	sed 's/^/# /' "$scratch/costs"
	grep -q '^not ok' "$scratch/out" "$scratch/verdict" && failed=1
done
exit $failed
