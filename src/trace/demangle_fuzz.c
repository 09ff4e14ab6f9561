// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a name of C++. */
#include <stdint.h>
#include <stdlib.h>

#include "trace/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf name;

	buf_init(&name, 1 << 17);
	demangle((struct span){data, size}, &name);
	buf_done(&name);
	return 0;
}
