// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex - how long threads waited for each other: what user space's locks and condition variables do in the kernel.
 *
 * A lock that nobody else holds makes no system call, so each wait is one of contention (or of a thread that waits
 * for work on a condition variable: the kernel can't tell). The result says how it ended: woken, EAGAIN (the value
 * had changed already: no wait), ETIMEDOUT, EINTR.
 */
#include "kernel/calls.bpf.h"

ITEM("cpu", "off", "waits of threads for locks and conditions of user space");
PARAM(__u64, min_us, 0, "ignore waits shorter than this, in microseconds");

enum { CALL_FUTEX = 1 };

/* include/uapi/linux/futex.h */
enum {
	WAIT = 0,
	LOCK_PI = 6,
	WAIT_BITSET = 9,
	WAIT_REQUEUE_PI = 11,
	LOCK_PI2 = 13,
	CMD_MASK = 0x7f
};

struct wait {
	struct owner owner;
	__u32 operation COL_OPT(
		"enum", "enum=0:wait,6:lock_pi,9:wait_bitset,11:wait_requeue_pi,13:lock_pi2");
	__u32 error COL_OPT("errno", "name=errno");
};

METRIC_HISTOGRAM(
	futex, struct wait, 8192,
	"unit=seconds;scale=1e-9;buckets=log2:1us..16s;help=time in futex calls that wait");

static __always_inline bool waits(__u32 operation)
{
	return operation == WAIT || operation == WAIT_BITSET || operation == LOCK_PI ||
	       operation == LOCK_PI2 || operation == WAIT_REQUEUE_PI;
}

static __always_inline void call_ended(const struct call *call, __u64 took_ns, long result)
{
	struct wait wait = {.owner = read_owner_of_current(), .error = call_errno(result)};

	wait.operation = call->argument[1] & CMD_MASK;
	if (waits(wait.operation) && took_ns >= min_us * 1000)
		histogram_add(&futex, &wait, took_ns);
}

CALL(futex, CALL_FUTEX)
