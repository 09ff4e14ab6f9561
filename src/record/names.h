/* SPDX-License-Identifier: GPL-2.0-only */
/* names - the kernel's numbers by name: errors, signals, system calls. */
#pragma once

#include "base/span.h"

enum { NAME_TEXT = 32 };

/* "ECONNREFUSED" for 111 and -111; the decimal number where it has no name. Static or in `scratch`. */
struct span errno_name(int64_t number, char scratch[NAME_TEXT]);
/* "SIGKILL", "SIGRTMIN+2". */
struct span signal_name(uint64_t number, char scratch[NAME_TEXT]);
/* "openat", by the table of the architecture this was compiled for. */
struct span syscall_text(uint64_t number, char scratch[NAME_TEXT]);
