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
equal "completes a column" close_reason "$(complete_word 'tcp_life --columns close_r' 3)"
equal "completes a column behind others" pid,close_reason "$(complete_word 'tcp_life --columns pid,close_r' 3)"
equal "completes a column to sort by" anon_bytes "$(complete_word 'mem --sort anon_b' 3)"
equal "completes what sums are by" service "$(complete_word 'requests --by se' 3)"
equal "completes a verb of items" upgrade "$(complete_word 'items upg' 2)"
equal "completes an item to switch" syscalls "$(complete_word 'items on sysc' 3)"
equal "completes a parameter to switch on with" min_us= "$(complete_word 'items on runqlat min_' 4)"
equal "completes a verb of an item" preflight "$(complete_word 'accel pref' 2)"
equal "completes a filter of an item" --slow "$(complete_word 'requests --sl' 2)"
equal "completes a view of top" containers "$(complete_word 'top conta' 2)"
equal "completes a verb of config" reload "$(complete_word 'config rel' 2)"
missing=
for word in $("$SONDE" --help | awk '/^commands:|^items/{ on = 1; next } /^$/{ on = 0 } on{ print $1 }'); do
	case " $(complete_word "$word" 1) " in *" $word "*) ;; *) missing="$missing $word" ;; esac
	[ -n "$(complete_word "$word --h" 2)" ] || missing="$missing $word--help"
done
equal "completes every command and item, and its options" "" "$missing"
for command in run status items self config caps features help version completion; do
	check "sonde $command --help" sh -c "$SONDE $command --help | grep -q usage"
done
# nothing but libc is needed at run time, or not even that
check "the binary is static" sh -c "! ldd $SONDE >/dev/null 2>&1"
within "its size in MB" "$(($(stat -c %s "$SONDE") / 1000000))" 1 20
