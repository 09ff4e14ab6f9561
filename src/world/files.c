// SPDX-License-Identifier: GPL-2.0-only
/* files - reads a whole file into a buffer that has a cap. */
#include "world/files.h"

#include <errno.h>
#include <unistd.h>

enum { STEP_BYTES = 16384 };

int file_read(int fd, struct buf *out)
{
	for (;;) {
		size_t step = out->cap - out->len < STEP_BYTES ? out->cap - out->len : STEP_BYTES;
		char probe, *at = buf_reserve(out, step);
		ssize_t got;

		if (!at)
			return -ENOMEM;
		got = step ? read(fd, at, step) : read(fd, &probe, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		if (!step)
			return -EFBIG;
		buf_commit(out, (size_t)got);
	}
}
