// SPDX-License-Identifier: GPL-2.0-only
/* disk - the kernel's file system and clocks behind struct disk. */
#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int kernel_open(void *ctx, int dir, const char *name, int flags)
{
	int file = openat(dir, name, flags | O_CLOEXEC, 0640);

	return file < 0 ? -errno : file;
}

static int kernel_close(void *ctx, int file)
{
	return close(file) ? -errno : 0;
}

static ssize_t kernel_append(void *ctx, int file, const void *bytes, size_t len)
{
	ssize_t written = write(file, bytes, len);

	return written < 0 ? -errno : written;
}

static ssize_t kernel_read(void *ctx, int file, void *bytes, size_t len, uint64_t offset)
{
	ssize_t count = pread(file, bytes, len, (off_t)offset);

	return count < 0 ? -errno : count;
}

static int64_t kernel_size(void *ctx, int file)
{
	struct stat stat;

	return fstat(file, &stat) ? -errno : stat.st_size;
}

static int kernel_cut(void *ctx, int file, uint64_t size)
{
	return ftruncate(file, (off_t)size) ? -errno : 0;
}

static int kernel_sync(void *ctx, int file)
{
	return fdatasync(file) ? -errno : 0;
}

static int kernel_rename(void *ctx, int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to) ? -errno : 0;
}

static int kernel_unlink(void *ctx, int dir, const char *name)
{
	return unlinkat(dir, name, 0) ? -errno : 0;
}

static int kernel_sync_dir(void *ctx, int dir)
{
	return fsync(dir) ? -errno : 0;
}

static int64_t kernel_room(void *ctx, int dir)
{
	struct statvfs fs;

	return fstatvfs(dir, &fs) ? -errno : (int64_t)(fs.f_bavail * fs.f_frsize);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t kernel_wall_ns(void *ctx)
{
	return clock_ns(CLOCK_REALTIME);
}

static int64_t kernel_mono_ns(void *ctx)
{
	return clock_ns(CLOCK_BOOTTIME);
}

const struct disk disk_of_kernel = {
	.open = kernel_open,
	.close = kernel_close,
	.append = kernel_append,
	.read = kernel_read,
	.size = kernel_size,
	.cut = kernel_cut,
	.sync = kernel_sync,
	.rename = kernel_rename,
	.unlink = kernel_unlink,
	.sync_dir = kernel_sync_dir,
	.room = kernel_room,
	.wall_ns = kernel_wall_ns,
	.mono_ns = kernel_mono_ns,
};

int disk_append_all(const struct disk *disk, int file, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t step = disk->append(disk->ctx, file, at, len);

		if (step == -EINTR)
			continue;
		if (step <= 0)
			return step ? (int)step : -EIO;
		at += step;
		len -= (size_t)step;
	}
	return 0;
}

int disk_read_all(const struct disk *disk, int file, void *bytes, size_t len, uint64_t offset)
{
	uint8_t *at = bytes;

	while (len) {
		ssize_t step = disk->read(disk->ctx, file, at, len, offset);

		if (step == -EINTR)
			continue;
		if (step <= 0)
			return step ? (int)step : -ENODATA;
		at += step;
		len -= (size_t)step;
		offset += (uint64_t)step;
	}
	return 0;
}
