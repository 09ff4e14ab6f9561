#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Prints the system calls of the compiler's target, one initialiser a line: [__NR_openat] = "openat",
# The numbers stay macros: <asm/unistd.h> knows them, and on arm64 some are defined through others.
# Usage: syscalls.sh CC [ARGS]...
set -eu
macros=$(echo '#include <asm/unistd.h>' | "$@" -E -dM -x c -)
printf '%s\n' "$macros" |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/\1/p' |
	grep -v -x -e syscalls -e arch_specific_syscall |
	LC_ALL=C sort |
	sed 's/.*/[__NR_&] = "&",/'
