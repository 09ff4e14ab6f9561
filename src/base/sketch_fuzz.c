// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a written sketch: refused, or a sketch that answers and whose written form reads
 * back the same. */
#include "base/sketch.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct sketch sketch, again;
	struct buf first, second;

	if (sketch_read(&sketch, (struct span){at, len}))
		return 0;
	(void)sketch_quantile(&sketch, 0.5);
	(void)sketch_quantile(&sketch, 0.99);
	buf_init(&first, SKETCH_BYTES_MAX);
	buf_init(&second, SKETCH_BYTES_MAX);
	if (sketch_write(&sketch, &first) || sketch_read(&again, buf_as_span(&first)) ||
	    sketch_write(&again, &second))
		abort();
	if (first.len != second.len || memcmp(first.at, second.at, first.len) != 0)
		abort();
	if (sketch_merge(&again, &sketch))
		abort();
	sketch_done(&sketch);
	sketch_done(&again);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
