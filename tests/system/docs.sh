#!/bin/sh
# What is generated is what the binary says; the man page and completion can be used.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
"$top/tools/items_reference.sh" "$SONDE" >"$WORK/items.md"
check "docs/items.md is what the items say (else: tools/items_reference.sh build/sonde > docs/items.md)" cmp "$WORK/items.md" "$top/docs/items.md"
"$SONDE" help --man >"$WORK/sonde.8"
check "the man page has every command" sh -c "for c in run status items self config caps features; do grep -q \"sonde \$c\" $WORK/sonde.8 || exit 1; done"
check "man can show it" sh -c "command -v man >/dev/null || exit 0; LC_ALL=C.UTF-8 man --warnings -l $WORK/sonde.8 >/dev/null 2>$WORK/man.err && ! grep -q . $WORK/man.err"
"$SONDE" completion bash >"$WORK/completion"
check "completion is right for bash" bash -n "$WORK/completion"
complete_word() { bash -c ". $WORK/completion; COMP_WORDS=(sonde $1); COMP_CWORD=$2; _sonde; echo \${COMPREPLY[*]}"; }
equal "completes a command" status "$(complete_word stat 1)"
equal "completes an item" runqlat "$(complete_word runq 1)"
equal "completes an item's parameter" --min-us "$(complete_word 'runqlat --min-u' 2)"
for command in run status items self config caps features help version completion; do
	check "sonde $command --help" sh -c "$SONDE $command --help | grep -q usage"
done
# nothing but libc is needed at run time, or not even that
check "the binary is static" sh -c "! ldd $SONDE >/dev/null 2>&1"
within "its size in MB" "$(($(stat -c %s "$SONDE") / 1000000))" 1 15
