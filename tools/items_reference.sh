#!/bin/sh
# items_reference.sh SONDE - docs/items.md, from what the items say of themselves.
set -eu
echo '# Items'
echo
echo 'Made by tools/items_reference.sh from the tags in the items; do not edit. `sonde ITEM --help` says the same.'
for item in $("$1" --help | awk '/^items /{on=1; next} /^$/{on=0} on{print $1}'); do
	printf '\n## %s\n\n```\n' "$item"
	"$1" help "$item" | sed '/^filters and output:$/,/^$/d'
	printf '```\n'
done
