#!/bin/sh
# The catalogue: what one container does is what each item says of it, to the number (tests/items/catalogue.sh).
. "$(dirname "$0")/../items/items.sh"
table=$here/../items/catalogue.txt operate=$WORK/operate folder=$WORK
. "$here/../items/catalogue.sh"
hierarchy=/sys/fs/cgroup/pids # (hybrid), or all in one
[ -d $hierarchy ] || hierarchy=/sys/fs/cgroup
gcc -D_GNU_SOURCE -O1 -static -o "$operate" "$here/../items/operate.c" || { echo "not ok operate: does not build"; exit 1; }
at_end "remove_groups 2>/dev/null"
# shellcheck disable=SC2046
start_agent $(catalogue_settings)
test_catalogue
