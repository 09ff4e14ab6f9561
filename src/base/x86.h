/* SPDX-License-Identifier: GPL-2.0-only */
/* x86 - how long an instruction of x86-64 is: enough to walk through a function and find where it returns. */
#pragma once

#include "base/span.h"

/* Bytes of the instruction at the beginning of `code`; 0 when it is none that compilers write, or is cut. */
size_t x86_length(struct span code);
