/* SPDX-License-Identifier: GPL-2.0-only */
/* kallsyms - the kernel's symbols by address and by name, read from an open /proc/kallsyms. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct kallsyms;

/* NULL when nothing can be read, or no address is told (kptr_restrict). */
struct kallsyms *kallsyms_read(int fd);
void kallsyms_free(struct kallsyms *kallsyms);

/* `nearest`: the last symbol at or below; else one that begins exactly there. `kallsyms` may be NULL. */
bool kallsyms_find(const struct kallsyms *kallsyms, uint64_t addr, bool nearest,
		   struct span *ret_name);
/* Where the symbol begins that kallsyms_find(nearest) tells; 0 = there is none. */
uint64_t kallsyms_begin(const struct kallsyms *kallsyms, uint64_t addr);
/* 0 = there is none. */
uint64_t kallsyms_address(const struct kallsyms *kallsyms, const char *name);
