/* SPDX-License-Identifier: GPL-2.0-only */
/* mappings - the lines of /proc/PID/maps: what of which file lies where. Paths in it are the process's own choice. */
#pragma once

#include "base/span.h"

struct mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset; /* of the first byte in the file */
	uint64_t device, inode; /* device: major << 32 | minor; inode 0 = no file */
	bool is_code;
	struct span
		path; /* as the kernel writes it: without " (deleted)"; empty for memory without a name */
};

/* The next line of `text`, which is shortened; false when there is none that is whole. Lines that are no mappings are
 * passed over. */
bool mapping_next(struct span *text, struct mapping *ret_mapping);

/* What follows the last slash. */
struct span mapping_name(const struct mapping *mapping);
