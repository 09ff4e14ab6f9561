#!/bin/sh
# run.sh KERNEL... - the items under other kernels: each cell is a number against an independent count.
# Kernels are Debian's, fetched once into $VM_KERNELS (default /var/tmp/vm-kernels).
set -u
cd "$(dirname "$0")" || exit 1
top=$(cd ../.. && pwd)
export VM_KERNELS="${VM_KERNELS:-/var/tmp/vm-kernels}"
failed=0
for kernel in "$@"; do
	if [ ! -s "$VM_KERNELS/$kernel/vm/initrd.cpio" ]; then
		vm/fetch-kernels.sh "$kernel" || { echo "not ok $kernel: its package could not be fetched"; failed=1; continue; }
	fi
	vm/run-in-vm.sh -t 600 "$kernel" "KERNEL=$kernel SONDE=$top/build/sonde sh $top/tests/kernels/guest.sh" 2>"/tmp/sonde-kernel-$kernel.err" || {
		failed=1
		tail -n 20 "/tmp/sonde-kernel-$kernel.err"
	}
done
exit $failed
