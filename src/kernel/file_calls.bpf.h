/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file_calls - reads and writes of files by system calls: which file, how many bytes, how long.
 *
 * The file is found by its descriptor when the call ends, when it still is what was read or written (unless another thread
 * closed it meanwhile: then the call is not counted). Sockets, pipes and devices are left out: their waits are no
 * file system's. What bypasses these calls is not seen: io_uring, sendfile, mapped files.
 */
#pragma once

#include "kernel/calls.bpf.h"
#include "kernel/file.bpf.h"

enum { FILE_READ = 1, FILE_WRITE, FILE_SYNC };

/* A call on a regular file has ended well. */
static __always_inline void file_call_ended(__u32 operation, struct file *file, __u64 bytes,
					    __u64 took_ns);

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct file *file;

	if (result < 0)
		return;
	file = file_of(call->argument[0]);
	if (file && file_is_regular(file))
		file_call_ended(call->what, file, result, took_ns);
}

CALL(read, FILE_READ)
CALL(pread64, FILE_READ)
CALL(readv, FILE_READ)
CALL(preadv, FILE_READ)
CALL(write, FILE_WRITE)
CALL(pwrite64, FILE_WRITE)
CALL(writev, FILE_WRITE)
CALL(pwritev, FILE_WRITE)
