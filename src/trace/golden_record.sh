#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# golden_record.sh BPFTRACE <golden.txt >new.txt: runs every script of golden.txt with a real bpftrace and
# writes what that says: as JSON (lines that begin with "> ") or as text ("t> "). Keep the version it prints.
set -u
bpftrace=$1
echo "# What bpftrace says to these scripts, as JSON (\"> \") or as text (\"t> \"); see golden_record.sh. Lines of one"
echo "# answer follow their script; \"exit N\" stands where the code is not 0, \"error TEXT\" is the first complaint."
echo "# recorded with: $("$bpftrace" --version 2>/dev/null)"
while IFS= read -r line; do
	case $line in
	'> '*) format=json script=${line#> } ;;
	't> '*) format=text script=${line#t> } ;;
	*) continue ;;
	esac
	printf '\n%s\n' "$line"
	timeout 30 "$bpftrace" -q -f $format -e "$script" 2>/tmp/golden.err >/tmp/golden.out </dev/null
	code=$?
	if [ $format = json ]; then cat /tmp/golden.out; else sed 's/^/| /' /tmp/golden.out; fi
	[ $code -ne 0 ] && echo "exit $code"
	[ $code -ne 0 ] && sed -n 's/^\(stdin:.*ERROR: .*\)$/error \1/p' /tmp/golden.err | head -1
done
rm -f /tmp/golden.err /tmp/golden.out
