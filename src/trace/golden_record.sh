#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# golden_record.sh BPFTRACE <golden.txt >new.txt: runs every script of golden.txt (lines that begin
# with "> ") with a real bpftrace and writes what that says as JSON. Keep the version it prints.
set -u
bpftrace=$1
echo "# What bpftrace says to these scripts with -f json; see golden_record.sh. Lines of one answer follow"
echo "# their script; \"exit N\" stands where the code is not 0, \"error TEXT\" is the first complaint."
echo "# recorded with: $("$bpftrace" --version 2>/dev/null)"
while IFS= read -r line; do
	case $line in '> '*) ;; *) continue ;; esac
	script=${line#> }
	printf '\n> %s\n' "$script"
	out=$(timeout 30 "$bpftrace" -f json -e "$script" 2>/tmp/golden.err)
	code=$?
	[ -n "$out" ] && printf '%s\n' "$out"
	[ $code -ne 0 ] && echo "exit $code"
	[ $code -ne 0 ] && sed -n 's/^\(stdin:.*ERROR: .*\)$/error \1/p' /tmp/golden.err | head -1
done
rm -f /tmp/golden.err
