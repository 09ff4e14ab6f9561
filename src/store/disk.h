/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk - all that the store wants of the file system and the clocks, in one table of functions.
 *
 * The store's files lie flat in one directory, known by its descriptor. Files are written once,
 * from front to back, by appending; names change by rename only. Tests put a disk in between that
 * fails, forgets what was not synced, or steps its clock. All functions return >= 0 or -errno.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct disk {
	void *ctx;
	/* flags as of open(2); O_CLOEXEC is added, new files are 0640 */
	int (*open)(void *ctx, int dir, const char *name, int flags);
	int (*close)(void *ctx, int file);
	/* may take fewer bytes than given, as write(2) */
	ssize_t (*append)(void *ctx, int file, const void *bytes, size_t len);
	ssize_t (*read)(void *ctx, int file, void *bytes, size_t len, uint64_t offset);
	int64_t (*size)(void *ctx, int file);
	int (*cut)(void *ctx, int file, uint64_t size);
	int (*sync)(void *ctx, int file);
	int (*rename)(void *ctx, int dir, const char *from, const char *to);
	int (*unlink)(void *ctx, int dir, const char *name);
	int (*sync_dir)(void *ctx, int dir);
	/* bytes that may still be written on that file system */
	int64_t (*room)(void *ctx, int dir);
	int64_t (*wall_ns)(void *ctx); /* since 1970; may step */
	int64_t (*mono_ns)(void *ctx); /* never goes back; counts suspended time */
};

/* The kernel's. */
extern const struct disk disk_of_kernel;

/* Appends everything, however often it is interrupted or shortened. 0 or -errno. */
int disk_append_all(const struct disk *disk, int file, const void *bytes, size_t len);

/* Reads exactly `len` bytes: 0, -errno, or -ENODATA when the file is shorter. */
int disk_read_all(const struct disk *disk, int file, void *bytes, size_t len, uint64_t offset);
