#!/bin/sh
# architectures.sh - every BPF half compiles for each architecture that sonde runs on, and has the same programs and maps.
# Registers and system call numbers are in arch.bpf.h only: nothing else names one.
#	architectures.sh [BUILD]		(x86 objects that BUILD has already are not made once more)
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${1:-/nonexistent}
failed=0
compile() { # FILE ARCHITECTURE OUTPUT
	clang -target bpf -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
		-D__TARGET_ARCH_"$2" -DTESTER='"/bin/true"' -I "$top/src" -I "/usr/include/$(gcc -print-multiarch)" -c "$1" -o "$3"
}
# what an object offers: its programs and maps
symbols() { readelf -sW "$1" | awk '($4 == "FUNC" || $4 == "OBJECT") && $5 == "GLOBAL" { print $8 }' | sort; }
cd "$top/src" || exit 1
for file in $(find . -name '*.bpf.c' ! -path './items/testdata/wrong.bpf.c' | sort); do
	for architecture in x86 arm64; do
		built=$(find "$build/src" -path '*/items/*' -name "$(basename "$file" .c).o" ! -path '*testdata*' -newer "$file" 2>/dev/null | head -n 1)
		case $file in *testdata*) built= ;; esac
		if [ $architecture = x86 ] && [ -n "$built" ]; then
			symbols "$built" >"$work/x86.symbols"
			continue
		fi
		compile "$file" $architecture "$work/$architecture.o" 2>"$work/complaints" || {
			echo "$file does not compile for $architecture:"; head -n 5 "$work/complaints"; failed=1; continue 2
		}
		symbols "$work/$architecture.o" >"$work/$architecture.symbols"
	done
	if [ ! -s "$work/x86.symbols" ] || ! cmp -s "$work/x86.symbols" "$work/arm64.symbols"; then
		echo "$file: other programs or maps for arm64 than for x86"; failed=1
	fi
done
# a register by its name, or the number of a system call, outside the header for them
if grep -nE -- '->(orig_ax|di|si|dx|ax|sp|regs\[[0-9]+\])\b|__NR_[a-z]' $(find . -name '*.bpf.[ch]' ! -name arch.bpf.h); then
	echo "registers and system call numbers belong to arch.bpf.h"; failed=1
fi
exit $failed
