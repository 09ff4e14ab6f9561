#!/bin/sh
# rooms.sh - the house keeps its order: a room uses only rooms above it, no item uses another, and the spine names no item.
set -u
cd "$(dirname "$0")/../../src" || exit 1
failed=0

# later rooms may use earlier ones; cli and main are the edge and know each other
order="base kernel record protocol world store history query alert items trace serve edge"
rank() { n=0; for room in $order; do n=$((n + 1)); [ "$room" = "$1" ] && echo $n && return; done; }
edge() { case $1 in cli | main) echo edge ;; *) echo "$1" ;; esac; }
for file in $(git ls-files . 2>/dev/null || find . -type f); do
	case $file in *.c | *.h) ;; *) continue ;; esac
	case $file in *_test.c | *_fuzz.c | */testdata/* | */testing*) continue ;; esac
	from=$(edge "${file%%/*}")
	for used in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u); do
		to=$(edge "$used")
		[ -n "$(rank "$to")" ] && [ -n "$(rank "$from")" ] || continue
		if [ "$(rank "$to")" -gt "$(rank "$from")" ]; then
			echo "$file uses the room '$used', which stands below its own"
			failed=1
		fi
	done
done

# no item includes another one: below items/WING only its own folder, items/*.h and other rooms
for file in $(find items/*/ -name '*.[ch]'); do
	if grep -nE '^#include "items/(app|cpu|disk|mem|net|sec)/' "$file" | grep -vF "\"${file%/*}/"; then
		echo "$file uses another item"
		failed=1
	fi
done

# the spine names no item
names=$(find items/app items/cpu items/disk items/mem items/net items/sec -name '*.bpf.c' -exec basename {} .bpf.c \; | grep -E '_|lat|calls' | paste -sd'|')
if grep -rnwE "\"($names)\"" base kernel/*.[ch] record/*.c serve/*.c main/*.c cli/*.c items/*.c world store history query alert --include='*.[ch]' | grep -vE '_test\.c|_fuzz\.c|fake_|testdata|:[[:space:]]*(/\*|\*)'; then
	echo "the spine names an item"
	failed=1
fi
exit $failed
