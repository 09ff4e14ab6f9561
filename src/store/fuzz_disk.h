/* SPDX-License-Identifier: GPL-2.0-only */
/* fuzz_disk - a disk with one file, in memory, that can only be read. For fuzz targets. */
#pragma once

#include <errno.h>
#include <string.h>

#include "base/span.h"
#include "store/disk.h"

static struct span fuzz_file;

static int fuzz_open(void *ctx, int dir, const char *name, int flags)
{
	return 3;
}

static int fuzz_close(void *ctx, int file)
{
	return 0;
}

static ssize_t fuzz_read(void *ctx, int file, void *bytes, size_t len, uint64_t offset)
{
	if (offset >= fuzz_file.len)
		return 0;
	if (len > fuzz_file.len - offset)
		len = fuzz_file.len - offset;
	memcpy(bytes, fuzz_file.at + offset, len);
	return (ssize_t)len;
}

static int64_t fuzz_size(void *ctx, int file)
{
	return (int64_t)fuzz_file.len;
}

static const struct disk fuzz_disk = {
	.open = fuzz_open,
	.close = fuzz_close,
	.read = fuzz_read,
	.size = fuzz_size,
};
