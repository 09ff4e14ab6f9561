#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# generated_test.sh SONDE_TRACE GENERATOR [COUNT [SEED]]: every script that the grammar makes is accepted, taken
# by the kernel's verifier, and runs to its end.
set -u
command=$1 generator=$2 count=${3:-100} seed=${4:-$(date +%s)}
passed=0 failed=0
"$command" -q -e 'begin { exit(); }' >/dev/null 2>&1 || { echo "not permitted to load BPF programs: skipped"; exit 77; }
scripts=$(mktemp) complaints=$(mktemp)
trap 'rm -f "$scripts" "$complaints"' EXIT
"$generator" "$count" "$seed" >"$scripts" || exit 1
while IFS= read -r script; do
	case $script in '#'*) echo "$script"; continue ;; esac
	if "$command" -q -f json -e "$script" >/dev/null 2>"$complaints" && ! grep -q 'runtime error' "$complaints"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $script"
		head -4 "$complaints"
	fi
done <"$scripts"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
