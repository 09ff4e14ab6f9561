#!/bin/sh
# kernels.sh KERNEL... [-- CASE...] - the correctness program, plain and accelerated, on other kernels (tests/kernels/vm; root).
# A kernel whose self-test says no is refused with its reason: that is right, too. By hand: emulation takes ten minutes each.
set -u
cd "$(dirname "$0")" || exit 1
top=$(cd ../.. && pwd)
export VM_KERNELS="${VM_KERNELS:-/var/tmp/vm-kernels}"
SONDE=${SONDE:-$top/build/sonde} failed=0 kernels= scratch=$(mktemp -d /tmp/sonde-accel-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
while [ $# -gt 0 ]; do [ "$1" = -- ] && { shift; break; }; kernels="$kernels $1"; shift; done
gcc -D_GNU_SOURCE -O2 -o "$scratch/torture" torture.c streams.c calls.c life.c -lpthread || exit 1
cp "$SONDE" "$scratch/sonde"
quiet=; for item in $(env -u SONDE_SOCKET "$SONDE" items --json </dev/null | jq -r .name); do [ "$item" = accel ] || quiet="$quiet --set items.$item.on=false"; done
for kernel in $kernels; do
	../kernels/vm/run-in-vm.sh -t "${VM_SECONDS:-1500}" "$kernel" \
		"cd $top && ACCEL_AGENT='$quiet' SONDE=$scratch/sonde TORTURE=$scratch/torture SEED=${SEED:-1} sh tests/accel/run.sh $*" \
		>"$scratch/out" 2>"$scratch/err" || { failed=1; tail -n 5 "$scratch/err"; }
	sed "s,^ok ,ok $kernel/,; s,^not ok ,not ok $kernel/," "$scratch/out"
done
exit $failed
